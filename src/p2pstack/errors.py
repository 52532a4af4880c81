"""The exceptions of p2pstack: one tree, one class for one meaning.

=======================  =====================================================================================
`P2PError`               the root
`ProtocolError`          somebody broke a rule of a wire protocol or of this library
`LocalProtocolError`     ... the caller did (a `ValueError` too): nothing was sent, mend the call
`RemoteProtocolError`    ... the peer did: what it was used on is closed, and it counts against the peer
`NegotiationError`       the two sides speak no common protocol
`SecurityError`          the secure channel could not be made, or could not be trusted
`PeerIdMismatch`         ... somebody other than the dialled peer answered
`DialError`              no address of a peer could be reached; one reason for each address tried
`ListenError`            an address cannot be listened on
`ConnectionClosed`       the connection is gone (an `anyio.ClosedResourceError` too)
`StreamReset`            the stream was reset, by the peer or here (an `anyio.BrokenResourceError` too)
`LimitExceeded`          a limit was hit: which, how large it is, how much was used
=======================  =====================================================================================

On streams the vocabulary of anyio holds beside these: `EndOfStream` after the peer's last byte, `ClosedResourceError`
on a stream closed here, `BrokenResourceError` on one that broke.
"""

from collections.abc import Mapping, Sequence

from anyio import BrokenResourceError, ClosedResourceError

__all__ = [
    "ConnectionClosed",
    "DialError",
    "LimitExceeded",
    "ListenError",
    "LocalProtocolError",
    "NegotiationError",
    "P2PError",
    "PeerIdMismatch",
    "ProtocolError",
    "RemoteProtocolError",
    "SecurityError",
    "StreamReset",
]


class P2PError(Exception):
    """The root of all errors that p2pstack raises of its own."""


class ProtocolError(P2PError):
    """A rule of a protocol was broken."""


class LocalProtocolError(ProtocolError, ValueError):
    """The caller asked for something that is not allowed or not possible."""


class RemoteProtocolError(ProtocolError):
    """The peer sent something that its protocol does not allow."""


class NegotiationError(P2PError):
    """No protocol in common.

    `proposed` holds what this side offered, in the order it did.
    """

    def __init__(self, message: str, *, proposed: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.proposed = tuple(proposed)


class SecurityError(P2PError):
    """The handshake of the secure channel failed, or a record on it could not be authenticated."""


class PeerIdMismatch(SecurityError):
    """Another peer than the expected one holds the other end. `expected` and `actual` are peer ids."""

    def __init__(self, expected: object, actual: object) -> None:
        super().__init__(
            f"expected to reach peer {expected}, but peer {actual} answered: "
            "the address is out of date or somebody else's; look the peer up again"
        )
        self.expected = expected
        self.actual = actual


class DialError(P2PError):
    """A peer could not be reached. `reasons` maps each address tried to the exception that ended the attempt."""

    def __init__(self, message: str, *, reasons: Mapping[str, BaseException] | None = None) -> None:
        self.reasons = dict(reasons or {})
        lines = [message, *(f"  {address}: {_describe(reason)}" for address, reason in self.reasons.items())]
        super().__init__("\n".join(lines))


class ListenError(P2PError):
    """An address could not be listened on. `address` is its text."""

    def __init__(self, message: str, *, address: str) -> None:
        super().__init__(message)
        self.address = address


class ConnectionClosed(P2PError, ClosedResourceError):
    """The connection has ended, in order or not: the message says which and why."""


class StreamReset(P2PError, BrokenResourceError):
    """The stream was reset. `code` is the application's error code (0 where the muxer carries none); `remote` tells
    whether the peer did it."""

    def __init__(self, message: str = "", *, code: int = 0, remote: bool = True) -> None:
        super().__init__(message or f"the stream was reset by {'the peer' if remote else 'this side'} (code {code})")
        self.code = code
        self.remote = remote


class LimitExceeded(P2PError):
    """A limit was hit. `scope` names it, `limit` is its figure, `used` what was used or asked for."""

    def __init__(self, scope: str, *, limit: int, used: int, hint: str = "") -> None:
        super().__init__(f"{scope}: limit {limit}, used {used}{f'; {hint}' if hint else ''}")
        self.scope = scope
        self.limit = limit
        self.used = used


def _describe(reason: BaseException) -> str:
    text = str(reason)
    return f"{type(reason).__name__}: {text}" if text else type(reason).__name__
