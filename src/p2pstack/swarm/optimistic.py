"""A stream that proposes its protocol with the first bytes it sends, because the peer has said that it speaks it.

=============  ===========================  ==============================================================  ===========
state          on                           then                                                            state
=============  ===========================  ==============================================================  ===========
SILENT         send, send_eof, aclose       the proposal goes out in front, in the same flush                PROPOSED
SILENT         receive                      the proposal goes out; as below                                  PROPOSED
PROPOSED       receive, answer: accepted    the bytes behind it; the owner uses the muxed stream from now    CONFIRMED
PROPOSED       receive, answer: refused     the stream is reset, `NegotiationError`                          REFUSED
=============  ===========================  ==============================================================  ===========

It saves a round trip. What the peer said may be out of date: so a refusal reaches the caller at the first receive.
"""

from functools import lru_cache
from types import CoroutineType
from typing import Any, Protocol

from anyio import EndOfStream

from p2pstack.abc.muxer import MuxedStream
from p2pstack.errors import LocalProtocolError, NegotiationError, RemoteProtocolError
from p2pstack.negotiation.dialer import Dialer

__all__ = ["OptimisticStream", "Owner"]

#: Up to this many bytes the first item is copied behind the proposal; a longer one follows it in a call of its own.
_MERGE_LIMIT = 16_384


@lru_cache(maxsize=256)
def _proposal(protocol: str) -> bytes:
    return Dialer((protocol,)).data_to_send()


class Owner(Protocol):
    """Whoever uses the stream until the peer has answered, and the muxed stream itself from then on."""

    def proposed(self, muxed: MuxedStream) -> None:
        """The proposal is on its way: what is sent from here on needs no help."""
        ...

    def confirmed(self, muxed: MuxedStream) -> None:
        """The peer accepted the protocol: `muxed` carries nothing else from here on."""
        ...

    def refused(self, muxed: MuxedStream) -> None:
        """The peer does not speak the protocol; `muxed` is reset."""
        ...


class OptimisticStream(MuxedStream):
    """Stands in for a muxed stream until the peer has confirmed the protocol.

    :param owner: what it stands in within: told what the peer answered
    """

    __slots__ = ("_dialer", "_muxed", "_owner", "_proposal", "_protocol")

    def __init__(self, muxed: MuxedStream, protocol: str, owner: Owner) -> None:
        self._muxed = muxed
        self._protocol = protocol
        self._proposal = _proposal(protocol)  # empty when it has been sent
        self._owner = owner
        self._dialer: Dialer | None = None  # has part of the answer

    @property
    def ended(self) -> bool:
        return self._muxed.ended

    # --- sending

    def send(self, item: bytes) -> "CoroutineType[Any, Any, None]":
        return self._send_first(item) if self._proposal else self._muxed.send(item)

    async def _send_first(self, item: bytes) -> None:
        if len(item) > _MERGE_LIMIT:
            await self._propose()
            await self._muxed.send(item)
        else:
            await self._propose(item)

    async def _propose(self, item: bytes = b"") -> None:
        proposal, self._proposal = self._proposal, b""
        try:
            await self._muxed.send(proposal + item if item else proposal)
            self._owner.proposed(self._muxed)
        except BaseException:
            # Whether the proposal went out is unknown: what is sent after it would be taken for one.
            self._muxed.reset()
            raise

    async def send_eof(self) -> None:
        if self._proposal:
            await self._propose()
        await self._muxed.send_eof()

    # --- receiving

    async def receive(self, max_bytes: int = 65_536) -> bytes:
        if self._proposal:
            await self._propose()
        muxed = self._muxed
        try:
            surplus = await self._answer()
        except (NegotiationError, RemoteProtocolError):
            muxed.reset()
            self._owner.refused(muxed)
            raise
        muxed.unread(surplus)
        self._owner.confirmed(muxed)
        return await muxed.receive(max_bytes)

    async def _answer(self) -> bytes:
        """What follows the acceptance. Whoever was cancelled may ask again."""
        while True:
            try:
                data = await self._muxed.receive()
            except EndOfStream:
                (self._dialer or Dialer((self._protocol,))).receive_eof()
            if self._dialer is None:
                # An acceptance repeats the proposal, as a rule in one piece.
                accepted = _proposal(self._protocol)
                if data.startswith(accepted):
                    return data[len(accepted) :]
                self._dialer = Dialer((self._protocol,))
            if self._dialer.receive_data(data) is not None:
                return self._dialer.surplus

    def unread(self, data: bytes) -> None:
        raise LocalProtocolError("nothing has been received yet that could be given back")

    # --- ending

    def reset(self, code: int = 0) -> None:
        self._proposal = b""
        self._muxed.reset(code)
        self._retire()

    async def aclose(self) -> None:
        try:
            if self._proposal and not self._muxed.ended:
                await self._propose()
            await self._muxed.aclose()
        finally:
            self._retire()

    def _retire(self) -> None:
        """What is over needs nobody to stand in, and would lead in a circle, which is not freed without a search."""
        self._owner.proposed(self._muxed)
        self._owner.confirmed(self._muxed)
