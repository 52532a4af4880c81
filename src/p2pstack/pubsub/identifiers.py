"""What tells one message from another: message id functions. All nodes of a network must have the same.

========================  ====================================================================  ======================
function                  the id                                                                default of
========================  ====================================================================  ======================
`source_and_sequence`     the author's peer id and the sequence number, both in bytes           go, py, js for Ed25519
`source_text_and_number`  the same as text: base58, then the number in decimals                 rust
`data_hash`               SHA-256 of the data                                                   js without signatures
========================  ====================================================================  ======================

Ids travel in gossip (IHAVE, IWANT, IDONTWANT) only. So nodes whose functions differ still hand each other messages, but
cannot ask each other for those that they missed.

Source: libp2p specs, pubsub, "Message Identification".
"""

from collections.abc import Callable
from hashlib import sha256
from typing import TypeAlias

from p2pstack.pubsub.message import Message

__all__ = ["MessageId", "data_hash", "source_and_sequence", "source_text_and_number"]

#: Makes a message's id of what it is. It is called for messages that nobody has verified yet, and whose `id` is empty.
MessageId: TypeAlias = Callable[[Message], bytes]


#: what rust-libp2p takes for the author where there is none: the multihash of one zero byte, in base58
_NOBODY = "15R"


def source_and_sequence(message: Message) -> bytes:
    """The author's peer id, then the sequence number, in bytes: the specification's default. Needs signed messages."""
    source, sequence = message.source, message.sequence
    return (b"" if source is None else source.to_bytes()) + (sequence or b"")


def source_text_and_number(message: Message) -> bytes:
    """The author's peer id in base58, then the sequence number in decimals: the default of rust-libp2p."""
    source = _NOBODY if message.source is None else str(message.source)
    return f"{source}{int.from_bytes(message.sequence or b'', 'big')}".encode()


def data_hash(message: Message) -> bytes:
    """SHA-256 of the data: the same data is the same message, whoever publishes it."""
    return sha256(message.data).digest()
