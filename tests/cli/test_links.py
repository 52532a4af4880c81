"""Who fetches from whom in the demo."""

import pytest

from p2pstack.cli.demo.links import Links


@pytest.mark.parametrize("size", range(3, 12))
def test_every_two_hosts_share_one_link_and_all_call_about_as_many(size: int) -> None:
    names = tuple("abcdefghijkl"[:size])
    links = Links(names)
    pairs = {frozenset((link.caller, link.callee)) for link in links}
    assert len(pairs) == len(list(links)) == size * (size - 1) // 2
    calls = {len(links.called_by(name)) for name in names}
    assert max(calls) - min(calls) <= 1


def test_a_link_is_done_when_its_file_is_there_and_its_round_trip_measured() -> None:
    links = Links(("a", "b", "c"))
    for caller, callee in (("a", "b"), ("b", "c"), ("c", "a")):
        assert not links.done
        told = {"to": callee, "addr": "/ip4/127.0.0.1/tcp/1", "security": "/noise", "muxer": "/yamux/1.0.0"}
        link = links.update(caller, {"event": "connected", **told})
        assert (link.addr, link.security, link.muxer, link.rate) == (told["addr"], "/noise", "/yamux/1.0.0", 0)
        assert links.update(caller, {"event": "progress", "to": callee, "bytes": 50, "seconds": 0.5}).rate == 100
        links.update(caller, {"event": "received", "to": callee, "bytes": 300, "seconds": 1.0, "equal": True})
        assert not link.done
        links.update(caller, {"event": "measured", "to": callee, "rtt_ms": 2.0})
        assert link.done
        assert (link.rate, link.rtt) == (300, 0.002)
    assert links.done
