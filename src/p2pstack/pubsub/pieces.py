"""RPCs: values to bytes. Pure.

An RPC is made of pieces, each a field of it in its encoding, which are packed into as few RPCs as may be and in their
order. The pieces of control messages are kept apart: they share one field of each RPC, because a field that comes twice
is merged in protobuf, but overwritten by some implementations.

How much goes into one RPC is ruled by those who take least. By default rust-libp2p's peers refuse an RPC with more than
16 KiB of control and subscriptions, or with more than 500 messages, and of messages together what is above 64 KiB less
the 8 KiB of the next ones that they may have read already. One message may be as long as the network allows.

Source: libp2p specs, pubsub, "The RPC"; pubsub/gossipsub, "Protobuf" of 1.0 to 1.3.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

from p2pstack.pubsub.fields import encode_field
from p2pstack.pubsub.rpc import RPC, Extensions, Partial, Prune, Subscribe
from p2pstack.wire import varint

__all__ = ["CONTROL_SIZE", "HEAD_SIZE", "MAX_RPC_SIZE", "MESSAGE_KEY", "Piece", "encode", "pack", "split"]

#: bytes of one RPC: what the specification suggests, and go-libp2p-pubsub has
MAX_RPC_SIZE = 1 << 20
#: bytes of control messages and subscriptions that are put into one RPC
CONTROL_SIZE = 16_384
#: bytes that an RPC takes beside its pieces, at most: the key and the length of its control messages
HEAD_SIZE = 6

#: the field of the test extension, set: its key, and 1
_TEST_EXTENSION = varint.encode(6_492_434 << 3) + b"\x01"

#: the key of a message in an RPC
MESSAGE_KEY = b"\x12"
#: the key of parts
_PARTS_KEY = b"\x52"

#: whether it is a piece of the control message, and its bytes
Piece: TypeAlias = tuple[bool, bytes]


def encode(rpc: RPC, *, size: int = CONTROL_SIZE) -> list[bytes]:
    """The payloads that say what `rpc` says, in its order: extensions, subscriptions, control, messages, parts.

    :param size: bytes of each, at most; more only where a single piece is longer
    """
    return list(pack(split(rpc, size=size), size=size))


def pack(pieces: Iterable[Piece], *, size: int) -> Iterator[bytes]:
    """Payloads of about `size` bytes at most, of pieces in their order; a longer piece has one of its own. None has
    parts twice: an RPC has that field once."""
    plain: list[bytes] = []
    control: list[bytes] = []
    room = size - HEAD_SIZE
    has_parts = False
    for in_control, piece in pieces:
        is_parts = not in_control and piece.startswith(_PARTS_KEY)
        if (len(piece) > room and (plain or control)) or (is_parts and has_parts):
            yield _payload(plain, control)
            plain, control, room, has_parts = [], [], size - HEAD_SIZE, False
        has_parts |= is_parts
        (control if in_control else plain).append(piece)
        room -= len(piece)
    if plain or control:
        yield _payload(plain, control)


def _payload(plain: Sequence[bytes], control: Sequence[bytes]) -> bytes:
    return b"".join((*plain, encode_field(b"\x1a", b"".join(control)))) if control else b"".join(plain)


def split(rpc: RPC, *, size: int = CONTROL_SIZE) -> Iterator[Piece]:
    """The pieces of an RPC, in the order in which they are to be sent. Lists of ids are cut where a piece would be
    longer than `size`."""
    if rpc.extensions is not None:
        yield True, encode_field(b"\x32", _extensions(rpc.extensions))
    for subscription in rpc.subscriptions:
        yield False, encode_field(b"\x0a", _subscribe(subscription))
    for graft in rpc.graft:
        yield True, encode_field(b"\x1a", _text(b"\x0a", graft.topic))
    for prune in rpc.prune:
        yield True, encode_field(b"\x22", _prune(prune))
    for ihave in rpc.ihave:
        yield from _ids(b"\x0a", _text(b"\x0a", ihave.topic), b"\x12", ihave.ids, size)
    for iwant in rpc.iwant:
        yield from _ids(b"\x12", b"", b"\x0a", iwant.ids, size)
    for idontwant in rpc.idontwant:
        yield from _ids(b"\x2a", b"", b"\x0a", idontwant.ids, size)
    for message in rpc.messages:
        yield False, encode_field(MESSAGE_KEY, message.encoded)
    if rpc.partial is not None:
        yield False, encode_field(_PARTS_KEY, _partial(rpc.partial))


def _ids(key: bytes, head: bytes, id_key: bytes, ids: Sequence[bytes], size: int) -> Iterator[Piece]:
    """Pieces of control messages that all begin with `head`, and have the ids among them."""
    parts = [head]
    full = room = size - 2 * HEAD_SIZE - len(head)
    for message_id in ids:
        part = encode_field(id_key, message_id)
        if len(part) > room and len(parts) > 1:
            yield True, encode_field(key, b"".join(parts))
            parts, room = [head], full
        parts.append(part)
        room -= len(part)
    if len(parts) > 1:
        yield True, encode_field(key, b"".join(parts))


def _text(key: bytes, text: str) -> bytes:
    return encode_field(key, text.encode())


def _subscribe(subscription: Subscribe) -> bytes:
    return b"%b%b%b%b" % (
        b"\x08\x01" if subscription.subscribe else b"\x08\x00",
        _text(b"\x12", subscription.topic),
        b"\x18\x01" if subscription.requests_partial else b"",
        b"\x20\x01" if subscription.supports_partial else b"",
    )


def _prune(prune: Prune) -> bytes:
    parts = [_text(b"\x0a", prune.topic)]
    for peer, record in prune.peers:
        info = encode_field(b"\x0a", peer.to_bytes())
        parts.append(encode_field(b"\x12", info if record is None else info + encode_field(b"\x12", record)))
    if prune.backoff is not None:
        parts.append(b"\x18" + varint.encode(prune.backoff))
    return b"".join(parts)


def _extensions(extensions: Extensions) -> bytes:
    partial = b"\x50\x01" if extensions.partial_messages else b""
    return partial + _TEST_EXTENSION if extensions.test_extension else partial


def _partial(partial: Partial) -> bytes:
    parts = [_text(b"\x0a", partial.topic), encode_field(b"\x12", partial.group_id)]
    if partial.message is not None:
        parts.append(encode_field(b"\x1a", partial.message))
    if partial.parts_metadata is not None:
        parts.append(encode_field(b"\x22", partial.parts_metadata))
    return b"".join(parts)
