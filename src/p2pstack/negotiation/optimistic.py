"""A proposal sent along with what is to follow it.

Who proposes a single protocol has nothing to learn from the answer but that it failed. So the next exchange (a
handshake) begins in the same write, and its peer's bytes are taken from behind the acceptance.

====================  ==========================================  ====================
state                 what arrives goes to                        state
====================  ==========================================  ====================
proposal open         the proposal; if that has a result, the     proposal accepted
                      bytes behind it to the exchange
proposal accepted     the exchange                                proposal accepted
====================  ==========================================  ====================
"""

from typing import Generic, NoReturn, TypeVar

from p2pstack.abc.exchange import Exchange

__all__ = ["Optimistic"]

T_co = TypeVar("T_co", covariant=True)


class Optimistic(Generic[T_co]):
    """A proposal and the exchange that takes its success for granted, as one `Exchange` with the result of the latter.

    Fails as either of the two does; where the proposal is refused, that is what the caller hears.

    :param proposal: the proposal of one protocol, such as `Dialer(["/noise"])`
    :param exchange: what is spoken in that protocol
    """

    __slots__ = ("_accepted", "_exchange", "_proposal")

    def __init__(self, proposal: Exchange[object], exchange: Exchange[T_co]) -> None:
        self._proposal = proposal
        self._exchange = exchange
        self._accepted = False

    def data_to_send(self) -> bytes:
        """Takes what is to be sent now; at first the proposal and the first message of the exchange."""
        return self._proposal.data_to_send() + self._exchange.data_to_send()

    def receive_data(self, data: bytes) -> T_co | None:
        """The result of the exchange; None while that is open.

        :raises P2PError: as the proposal or the exchange does
        """
        if not self._accepted:
            if self._proposal.receive_data(data) is None:
                return None
            self._accepted = True
            data = self._proposal.surplus
        return self._exchange.receive_data(data)

    def receive_eof(self) -> NoReturn:
        """:raises P2PError: always: as the part that was going on does"""
        (self._exchange if self._accepted else self._proposal).receive_eof()

    @property
    def surplus(self) -> bytes:
        """The bytes behind the exchange."""
        return self._exchange.surplus
