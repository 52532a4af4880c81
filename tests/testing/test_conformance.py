"""The stack's own parts do what their interfaces say; a part that does not is found."""

from random import Random

import pytest

from p2pstack import Memory, MemoryNetwork, MemoryPeerstore, Noise, Plaintext, Tcp, Yamux
from p2pstack.pubsub.floodsub import FloodSubRouter
from p2pstack.pubsub.gossipsub.config import GossipSubConfig
from p2pstack.pubsub.gossipsub.router import GossipSubRouter
from p2pstack.pubsub.gossipsub.score.params import ScoreConfig
from p2pstack.pubsub.gossipsub.score.score import PeerScore
from p2pstack.testing.conformance import (
    MuxerConformance,
    PeerstoreConformance,
    RouterConformance,
    SecureTransportConformance,
    TransportConformance,
)


class TestYamux(MuxerConformance):
    make = Yamux


class TestNoise(SecureTransportConformance):
    make = Noise


class TestPlaintext(SecureTransportConformance):
    make = Plaintext
    authenticates = False


class TestTcp(TransportConformance):
    make = Tcp
    listen = "/ip4/127.0.0.1/tcp/0"


class TestMemory(TransportConformance):
    make = lambda: Memory(network=MemoryNetwork())  # noqa: E731
    listen = "/memory/0"


class TestMemoryPeerstore(PeerstoreConformance):
    make = MemoryPeerstore


class TestFloodSub(RouterConformance):
    make = lambda admission: FloodSubRouter(admission=admission)  # noqa: E731


class TestGossipSub(RouterConformance):
    make = lambda admission: GossipSubRouter(GossipSubConfig(), admission=admission, random=Random(1))  # noqa: E731


class TestGossipSubWithScores(RouterConformance):
    make = lambda admission: GossipSubRouter(  # noqa: E731
        GossipSubConfig(), admission=admission, random=Random(1), score=PeerScore(ScoreConfig(), {})
    )


class Forgetful(MemoryPeerstore):
    """Forgets what it should not."""

    def set_agent_version(self, peer: object, agent: str) -> None:
        pass


class ForgetfulConformance(PeerstoreConformance):
    make = Forgetful


async def test_without_pytest_a_suite_runs_its_checks_and_names_the_one_that_failed() -> None:
    class Good(PeerstoreConformance):
        make = MemoryPeerstore

    await Good.run()
    assert len(Good.checks()) > 8
    with pytest.raises(AssertionError) as failure:
        await ForgetfulConformance.run()
    assert failure.value.__notes__ == ["... in ForgetfulConformance.test_what_a_peer_speaks_is_replaced"]


async def test_a_synchronous_check_runs_too() -> None:
    class Flood(RouterConformance):
        make = lambda admission: FloodSubRouter(admission=admission)  # noqa: E731

    await Flood.run()


async def test_a_secure_transport_that_secures_nothing_is_found() -> None:
    class Open(SecureTransportConformance):
        make = Plaintext

    with pytest.raises(AssertionError, match="expected SecurityError when a bit was changed"):
        await Open().test_a_changed_bit_is_noticed()
