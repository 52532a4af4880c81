"""Who serves what, and how often for one peer."""

from typing import Any

import pytest

from p2pstack.abc.connection import Stream
from p2pstack.abc.events import LocalProtocolsChanged
from p2pstack.errors import LocalProtocolError
from p2pstack.identity.peer_id import PeerId
from p2pstack.swarm.events import Bus
from p2pstack.swarm.handlers import Handlers


async def serve(stream: Stream) -> None:
    raise NotImplementedError


async def test_changes_are_told() -> None:
    bus = Bus()
    handlers = Handlers(bus)
    with bus.subscribe(LocalProtocolsChanged) as events:
        handlers.add(["/a/1", "/b/1"], serve)
        handlers.remove(["/a/1", "/never/1"])
        handlers.remove(["/never/1"])
        assert await anext(events) == LocalProtocolsChanged(added=("/a/1", "/b/1"), removed=())
        assert await anext(events) == LocalProtocolsChanged(added=(), removed=("/a/1",))
        bus.close()
        assert [event async for event in events] == []
    assert list(handlers) == ["/b/1"]
    assert len(handlers) == 1
    assert "/b/1" in handlers
    assert handlers["/b/1"].handler is serve


@pytest.mark.parametrize("protocol", ["", "/a\n/b", "/" + "x" * 1023, 7, serve])
def test_a_protocol_that_is_none_is_refused(protocol: Any) -> None:
    with pytest.raises(LocalProtocolError, match=r"expected a protocol id of 1 to 1,023 bytes on one line, .* got "):
        Handlers(Bus()).add([protocol], serve)


def test_a_protocol_has_one_handler() -> None:
    handlers = Handlers(Bus())
    handlers.add(["/a/1"], serve)
    with pytest.raises(LocalProtocolError, match="/a/1 has a handler already: unhandle it first"):
        handlers.add(["/a/1"], serve)
    with pytest.raises(LocalProtocolError, match="expected at least one protocol to handle"):
        handlers.add([], serve)
    with pytest.raises(LocalProtocolError, match="max_streams_per_peer: expected at least 1, got 0"):
        handlers.add(["/b/1"], serve, max_streams_per_peer=0)


def test_each_peer_has_its_own_share(peer: PeerId, other: PeerId) -> None:
    handlers = Handlers(Bus())
    handlers.add(["/a/1", "/a/2"], serve, max_streams_per_peer=2)
    registration = handlers["/a/1"]
    assert registration is handlers["/a/2"]
    assert [registration.admit(peer) for _ in range(3)] == [True, True, False]
    assert registration.admit(other)
    registration.release(peer)
    assert registration.admit(peer)
    for whom in (peer, peer, other):
        registration.release(whom)
    assert registration._open == {}
