"""The history protocol: who lacks lines asks a peer for them, and who wrote lines hands them to peers to keep.

Both begin a stream with their first message, and an answer ends it:

    who lacks lines     Ask ---------->                     who wrote lines     Hand, Sealed, Sealed, ... --->
                        <---------- Ids                                         <------------------------ Kept
                        Want --------->
                        <--- Sealed ...

A peer can leave lines out, which others then bring. It cannot invent any: each is checked against its author's
signature before it is taken, and none is taken that was not wanted.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

from anyio import EndOfStream, current_time, fail_after
from anyio.lowlevel import checkpoint
from msgspec import Struct

from p2pstack import AbstractHost, Messages, PeerId, RemoteProtocolError, Stream
from p2pstack.apps.chat.history import History
from p2pstack.apps.chat.messages import (
    MAX_BATCH,
    MAX_MESSAGE,
    Ask,
    Entry,
    Hand,
    Ids,
    Kept,
    Sealed,
    Want,
    decode,
    encode,
)

__all__ = ["DEADLINE", "HISTORY", "Archive", "ask", "hand_over", "serve"]

HISTORY = "/p2pstack/chat/history/1.0.0"
#: seconds for a peer to answer: it may be dead, and nobody have noticed
ANSWER = 5.0
#: seconds for a history to arrive, or to be sent
DEADLINE = 30.0
M = TypeVar("M", bound=Struct)


class Archive(Protocol):
    """A room, as far as its history goes."""

    name: str
    history: History

    def open(self, sealed: Sealed) -> Entry:
        """Check a line. Raises `RemoteProtocolError`."""
        ...

    def take(self, entry: Entry, *, late: bool) -> None:
        """Keep a line, on disk too, and show it, unless it is here already or does not come in."""
        ...


async def ask(host: AbstractHost, peer: PeerId, archive: Archive) -> None:
    """Fetch what a peer has of a room and we have not.

    :raises P2PError: the peer cannot be reached, or sends what it should not
    :raises TimeoutError: it takes too long. What came before is kept
    """
    with fail_after(ANSWER) as scope:
        async with await host.open_stream(peer, HISTORY) as stream:
            messages = _messages(stream)
            await messages.send(encode(Ask(archive.name, archive.history.digest)))
            missing = archive.history.missing((await _receive(messages, Ids)).ids)
            scope.deadline = current_time() + DEADLINE
            await messages.send(encode(Want(tuple(missing))))
            await stream.send_eof()
            wanted = set(missing)
            async for message in messages:
                entry = archive.open(decode(message, Sealed))
                if entry.id not in wanted:
                    raise RemoteProtocolError(f"chat: {peer} sent a line that was not asked for, or twice")
                wanted.remove(entry.id)
                archive.take(entry, late=True)
                await checkpoint()  # what has arrived already must not keep others from their turn


async def hand_over(host: AbstractHost, peer: PeerId, room: str, entries: Sequence[Entry]) -> frozenset[bytes]:
    """Have a peer keep lines, at most `MAX_BATCH`; the ids of those that it says it has on disk now.

    :raises P2PError: as `ask`
    :raises TimeoutError: it takes too long
    """
    with fail_after(ANSWER):
        async with await host.open_stream(peer, HISTORY) as stream:
            messages = _messages(stream)
            await messages.send(encode(Hand(room)))
            for entry in entries:
                await messages.send(encode(entry.sealed))
            await stream.send_eof()
            return frozenset((await _receive(messages, Kept)).ids)


async def serve(stream: Stream, archives: Mapping[str, Archive]) -> None:
    """Answer one stream."""
    with fail_after(DEADLINE):
        messages = _messages(stream)
        request = await _receive(messages, Ask, Hand)
        if isinstance(request, Ask):
            await _serve_ask(messages, request, archives)
        else:
            await _serve_hand(messages, request, archives)


async def _serve_ask(messages: Messages, request: Ask, archives: Mapping[str, Archive]) -> None:
    archive = archives.get(request.room)
    history = History() if archive is None else archive.history
    await messages.send(encode(Ids(() if history.digest == request.digest else tuple(history.ids))))
    for entry in history.find((await _receive(messages, Want)).ids):
        await messages.send(encode(entry.sealed))


async def _serve_hand(messages: Messages, request: Hand, archives: Mapping[str, Archive]) -> None:
    archive = archives.get(request.room)
    kept: list[bytes] = []
    if archive is not None:
        async for message in messages:
            entry = archive.open(decode(message, Sealed))
            archive.take(entry, late=False)
            if entry.id in archive.history:
                kept.append(entry.id)
            if len(kept) >= MAX_BATCH:
                break
    await messages.send(encode(Kept(tuple(kept))))


def _messages(stream: Stream) -> Messages:
    return Messages(stream, limit=MAX_MESSAGE, what="message of chat history")


async def _receive(messages: Messages, *kinds: type[M]) -> M:
    try:
        return decode(await messages.receive(), *kinds)
    except EndOfStream:
        names = " or ".join(kind.__name__ for kind in kinds)
        raise RemoteProtocolError(f"chat: expected {names}, and the peer closed the stream") from None
