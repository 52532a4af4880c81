"""Conversations without I/O, which both sides leave knowing something."""

from typing import NoReturn, Protocol, TypeVar

__all__ = ["Exchange"]

T_co = TypeVar("T_co", covariant=True)


class Exchange(Protocol[T_co]):
    """A pure state machine that talks until it has a result, such as a negotiation or a handshake.

    Whoever drives it sends `data_to_send` when it is made and after each `receive_data`, once more after the one that
    returned the result, and gives `surplus` to what comes next on the same stream.
    """

    def data_to_send(self) -> bytes:
        """Takes what is to be sent now; empty where there is nothing."""
        ...

    def receive_data(self, data: bytes) -> T_co | None:
        """Take bytes as they came, cut anywhere. The result, or None while the conversation goes on.

        :raises P2PError: it failed, and cannot go on
        """
        ...

    def receive_eof(self) -> NoReturn:
        """The peer will send no more.

        :raises P2PError: always, as no result was there
        """
        ...

    @property
    def surplus(self) -> bytes:
        """The bytes that came behind the peer's last message: they belong to the next protocol."""
        ...
