"""Who fetches from whom in the demo."""

import pytest

from p2pstack.cli.demo.links import Links


@pytest.mark.parametrize("size", range(3, 8))
def test_every_two_hosts_share_one_link_and_all_call_about_as_many(size: int) -> None:
    names = tuple("abcdefghijkl"[:size])
    links = Links(names)
    pairs = {frozenset((link.caller, link.callee)) for link in links}
    assert len(pairs) == len(list(links)) == size * (size - 1) // 2
    calls = {len(links.called_by(name)) for name in names}
    assert max(calls) - min(calls) <= 1


@pytest.mark.parametrize("size", range(8, 26))
def test_where_there_are_many_each_host_has_six_links(size: int) -> None:
    names = tuple(map(str, range(size)))
    links = Links(names)
    pairs = [frozenset((link.caller, link.callee)) for link in links]
    assert len(set(pairs)) == len(pairs) == 3 * size
    assert all(sum(name in pair for pair in pairs) == 6 for name in names)


def test_a_link_knows_what_its_caller_told_last() -> None:
    links = Links(("a", "b", "c"))
    facts = {"to": "b", "addr": "/ip4/127.0.0.1/tcp/1", "security": "/noise", "muxer": "/yamux/1.0.0", "rtt_ms": 2.0}
    (link,) = links.called_by("a")
    assert (link.addr, link.over, link.rtt, link.rate, link.equal) == (None, "", None, 0, None)
    assert links.update("a", {"event": "connected", **facts}) is link
    assert (link.addr, link.over, link.rtt, link.rate) == (facts["addr"], "noise yamux", 0.002, 0)
    links.update("a", {"event": "progress", "to": "b", "bytes": 50, "seconds": 0.5})
    assert (link.received, link.rate, link.equal) == (50, 100, None)
    links.update("a", {"event": "received", "to": "b", "bytes": 300, "seconds": 1.0, "equal": True})
    assert (link.received, link.rate, link.equal) == (300, 300, True)
    assert [other.received for other in links if other is not link] == [0, 0]
