"""Which protocol is served by whom."""

from collections.abc import Iterator, Mapping, Sequence

from p2pstack.abc.events import EventBus, LocalProtocolsChanged
from p2pstack.abc.host import Handler
from p2pstack.errors import LocalProtocolError
from p2pstack.identity.peer_id import PeerId
from p2pstack.negotiation.messages import MAX_LINE, RESERVED

__all__ = ["Handlers", "Registration", "check_protocol"]


def check_protocol(protocol: object) -> None:
    """Nothing, where peers can agree on `protocol`.

    :raises LocalProtocolError: it is malformed, or of the words that negotiation has for itself
    """
    try:
        if (
            isinstance(protocol, str)
            and protocol not in RESERVED
            and "\n" not in protocol
            and 0 < len(protocol.encode()) < MAX_LINE
        ):
            return
    except UnicodeEncodeError:
        pass
    raise LocalProtocolError(
        f'expected a protocol id of 1 to 1,023 bytes on one line, such as "/echo/1.0.0", got {protocol!r:.100}'
    )


class Registration:
    """A handler, and how many of its streams each peer has open."""

    __slots__ = ("_open", "handler", "max_streams_per_peer")

    def __init__(self, handler: Handler, max_streams_per_peer: int | None) -> None:
        self.handler = handler
        self.max_streams_per_peer = max_streams_per_peer
        self._open: dict[PeerId, int] = {}

    def admit(self, peer: PeerId) -> bool:
        """Count a stream of `peer` in, if it may have one more."""
        if self.max_streams_per_peer is None:
            return True
        used = self._open.get(peer, 0)
        if used >= self.max_streams_per_peer:
            return False
        self._open[peer] = used + 1
        return True

    def release(self, peer: PeerId) -> None:
        """Count a stream out that was admitted."""
        if self.max_streams_per_peer is not None:
            used = self._open.pop(peer) - 1
            if used:
                self._open[peer] = used


class Handlers(Mapping[str, Registration]):
    """The registrations by protocol, in the order they were added. Tells the bus what changes."""

    __slots__ = ("_bus", "_registrations")

    def __init__(self, bus: EventBus) -> None:
        self._bus = bus
        self._registrations: dict[str, Registration] = {}

    def add(self, protocols: Sequence[str], handler: Handler, *, max_streams_per_peer: int | None = None) -> None:
        """Serve `protocols` by `handler`. The limit is one for all of them together.

        :raises LocalProtocolError: as `check`, or the limit is below 1, or the handler cannot be called
        """
        self.check(protocols)
        if not callable(handler):
            raise LocalProtocolError(f"expected a function to handle {', '.join(protocols)}, got {handler!r:.100}")
        if max_streams_per_peer is not None and max_streams_per_peer < 1:
            raise LocalProtocolError(f"max_streams_per_peer: expected at least 1, got {max_streams_per_peer}")
        registration = Registration(handler, max_streams_per_peer)
        self._registrations.update(dict.fromkeys(protocols, registration))
        self._bus.emit(LocalProtocolsChanged(added=tuple(protocols), removed=()))

    def check(self, protocols: Sequence[str]) -> None:
        """Nothing, where a handler may be added for `protocols`.

        :raises LocalProtocolError: there is no protocol, one is malformed, or one has a handler already
        """
        if not protocols:
            raise LocalProtocolError('expected at least one protocol to handle, such as "/echo/1.0.0", got none')
        for protocol in protocols:
            check_protocol(protocol)
            if protocol in self._registrations:
                raise LocalProtocolError(f"{protocol} has a handler already: unhandle it first")

    def remove(self, protocols: Sequence[str]) -> None:
        """Stop serving `protocols`; those not served are passed over."""
        removed = tuple(protocol for protocol in protocols if self._registrations.pop(protocol, None))
        if removed:
            self._bus.emit(LocalProtocolsChanged(added=(), removed=removed))

    def __getitem__(self, protocol: str) -> Registration:
        return self._registrations[protocol]

    def __iter__(self) -> Iterator[str]:
        return iter(self._registrations)

    def __len__(self) -> int:
        return len(self._registrations)

    def __contains__(self, protocol: object) -> bool:
        return protocol in self._registrations
