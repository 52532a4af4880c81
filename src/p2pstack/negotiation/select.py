"""Driving an exchange over a stream. Deadlines are the caller's: one for all that belongs together."""

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import TypeVar

from anyio import BrokenResourceError, EndOfStream

from p2pstack.abc.bytestream import PushbackStream
from p2pstack.abc.exchange import Exchange
from p2pstack.negotiation.dialer import Dialer
from p2pstack.negotiation.listener import Listener, accept_at_once

__all__ = ["conduct", "negotiate_inbound", "negotiate_outbound"]

T = TypeVar("T")


async def conduct(stream: PushbackStream, exchange: Exchange[T]) -> T:
    """Talk until `exchange` has its result. Surplus bytes are given back to the stream.

    A peer that does not listen any more may have said all it had to say, so a send that fails ends nothing by itself.

    :raises P2PError: what `exchange` raises; the stream is then of no use
    :raises BrokenResourceError: the stream broke
    """
    result: T | None = None
    while True:
        if data := exchange.data_to_send():
            with suppress(BrokenResourceError):
                await stream.send(data)
        if result is not None:
            stream.unread(exchange.surplus)
            return result
        try:
            data = await stream.receive()
        except EndOfStream:
            exchange.receive_eof()
        result = exchange.receive_data(data)


async def negotiate_outbound(stream: PushbackStream, protocols: Sequence[str]) -> str:
    """Agree with the listener at the other end on the first of `protocols` that it speaks.

    :raises NegotiationError: it speaks none of them, or ended the stream
    :raises RemoteProtocolError: it does not speak multistream-select
    """
    return await conduct(stream, Dialer(protocols))


async def negotiate_inbound(
    stream: PushbackStream, protocols: Collection[str], *, matches: Callable[[str], bool] | None = None
) -> str:
    """Agree with the dialer at the other end on the first protocol it proposes that is spoken here.

    :param protocols: what is spoken here, and what `ls` is told
    :param matches: decides on a proposal in place of membership in `protocols`
    :raises NegotiationError: it ended the stream before that
    :raises RemoteProtocolError: it does not speak multistream-select, or proposed too often
    """
    if matches is None:
        with suppress(EndOfStream):
            data = await stream.receive()
            if accepted := accept_at_once(data, protocols):
                protocol, size = accepted
                answer = stream.send_with_next if len(data) > size else stream.send
                with suppress(BrokenResourceError):
                    await answer(data[:size])
                stream.unread(data[size:])
                return protocol
            stream.unread(data)
    return await conduct(stream, Listener(protocols, matches=matches))
