"""The first RPC of 1.3."""

from p2pstack.pubsub.gossipsub.features import MESHSUB_1_2, MESHSUB_1_3
from p2pstack.pubsub.gossipsub.score.params import ScoreConfig
from p2pstack.pubsub.router import Link
from p2pstack.pubsub.rpc import Extensions, Subscribe

from .lab import Lab
from .values import peer_id

PARTIAL = Extensions(partial_messages=True)


def met(made: Lab, protocol: str = MESHSUB_1_3) -> None:
    made.router.add_peer(peer_id("a"), Link(protocol, outbound=False), made.now)


def known(made: Lab) -> Extensions:
    peer = made.router._peers.get(peer_id("a"))
    assert peer is not None
    return peer.extensions


def test_what_a_peer_can_is_what_its_first_rpc_says() -> None:
    made = Lab(score=ScoreConfig())
    met(made)
    made.says(peer_id("a"), extensions=PARTIAL, subscriptions=[Subscribe("t")])
    made.says(peer_id("a"), subscriptions=[Subscribe("u")])
    assert known(made) == PARTIAL
    assert made.router.score(peer_id("a")) == 0.0


def test_a_first_rpc_that_says_nothing_of_it_means_nothing() -> None:
    made = Lab(score=ScoreConfig())
    met(made)
    made.says(peer_id("a"), subscriptions=[Subscribe("t")])
    assert known(made) == Extensions()


def test_to_say_it_late_or_twice_is_ignored_and_costs() -> None:
    for first in (None, PARTIAL):
        made = Lab(score=ScoreConfig())
        met(made)
        made.says(peer_id("a"), extensions=first)
        made.says(peer_id("a"), extensions=Extensions(test_extension=True))
        assert known(made) == (first or Extensions())
        assert made.router.score(peer_id("a")) < 0


def test_a_new_stream_of_the_peer_has_a_first_rpc_again() -> None:
    made = Lab(score=ScoreConfig())
    met(made)
    made.says(peer_id("a"), extensions=Extensions(test_extension=True))
    made.router.restart_peer(peer_id("a"))
    made.says(peer_id("a"), extensions=PARTIAL)
    assert known(made) == PARTIAL
    assert made.router.score(peer_id("a")) == 0.0


def test_who_speaks_an_older_version_has_no_extensions() -> None:
    made = Lab(score=ScoreConfig())
    met(made, MESHSUB_1_2)
    made.says(peer_id("a"), extensions=PARTIAL)
    assert known(made) == Extensions()
