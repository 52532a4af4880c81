"""Which topics peers may join."""

import re

import pytest

from p2pstack.errors import LocalProtocolError
from p2pstack.pubsub.filter import SubscriptionFilter
from p2pstack.pubsub.rpc import Subscribe


def join(*topics: str) -> list[Subscribe]:
    return [Subscribe(topic) for topic in topics]


def test_by_default_all_topics_with_names_of_some_length_are_fine() -> None:
    default = SubscriptionFilter()
    assert default.allows("anything")
    assert default.allows("x" * 1_024)
    assert not default.allows("x" * 1_025)
    assert not default.allows("")


def test_a_list_allows_what_is_in_it() -> None:
    listed = SubscriptionFilter(topics=["a", "b"])
    assert listed.allows("a")
    assert not listed.allows("c")
    assert not SubscriptionFilter(topics=[]).allows("a")


@pytest.mark.parametrize("pattern", ["/eth2/.*", re.compile("/eth2/.*")], ids=["text", "compiled"])
def test_a_pattern_must_match_the_whole_name(pattern: str) -> None:
    matching = SubscriptionFilter(pattern=pattern)
    assert matching.allows("/eth2/blocks")
    assert not matching.allows("no/eth2/blocks")
    assert not SubscriptionFilter(pattern="a").allows("ab")


def test_with_a_list_and_a_pattern_one_of_them_is_enough() -> None:
    both = SubscriptionFilter(topics=["a"], pattern="b+")
    assert both.allows("a")
    assert both.allows("bbb")
    assert not both.allows("c")


def test_what_is_not_allowed_is_left_out() -> None:
    assert SubscriptionFilter(topics=["a"]).admit(join("a", "b"), ()) == (join("a"), 0)


def test_a_peer_joins_as_many_topics_as_it_may_and_the_rest_is_told() -> None:
    limited = SubscriptionFilter(max_topics=3)
    assert limited.admit(join("b", "c", "d", "e"), ["a"]) == (join("b", "c"), 2)
    assert limited.admit(join("d"), ["a", "b", "c"]) == ([], 1)


def test_who_leaves_a_topic_has_room_for_another() -> None:
    limited = SubscriptionFilter(max_topics=1)
    swap = [Subscribe("a", subscribe=False), Subscribe("b")]
    assert limited.admit(swap, ["a"]) == (swap, 0)
    assert limited.admit(list(reversed(swap)), ["a"]) == ([swap[0]], 1)


def test_to_leave_what_was_never_joined_says_nothing() -> None:
    assert SubscriptionFilter().admit([Subscribe("a", subscribe=False)], ()) == ([], 0)


def test_a_peer_may_change_what_it_wants_of_a_topic() -> None:
    again = [Subscribe("a", requests_partial=True)]
    assert SubscriptionFilter(max_topics=1).admit(again, ["a"]) == (again, 0)


def test_who_said_it_in_the_past_may_leave_what_the_filter_no_longer_allows() -> None:
    leave = [Subscribe("a", subscribe=False)]
    assert SubscriptionFilter(topics=[]).admit(leave, ["a"]) == (leave, 0)


@pytest.mark.parametrize("mistake", [{"max_topics": 0}, {"max_length": 0}, {"topics": "abc"}], ids=str)
def test_mistakes_are_told(mistake: dict[str, int]) -> None:
    with pytest.raises(LocalProtocolError, match="expected"):
        SubscriptionFilter(**mistake)
