"""Peers and messages of the tests, and what is looked for in actions."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from p2pstack.identity.peer_id import PeerId
from p2pstack.pubsub.actions import Action, Send
from p2pstack.pubsub.admission import Admission
from p2pstack.pubsub.identifiers import source_and_sequence
from p2pstack.pubsub.message import Message
from p2pstack.pubsub.rpc import RawMessage

#: what a signature is where it is good; validators refuse data that begins with `INVALID`, and ignore `USELESS`
GOOD = b"good"
INVALID = b"invalid"
USELESS = b"useless"


def peer_id(name: object) -> PeerId:
    return PeerId(b"\x12\x20" + sha256(str(name).encode()).digest())


def raw_message(
    source: PeerId, number: int, topic: str = "t", data: bytes = b"data", *, signature: bytes | None = GOOD
) -> RawMessage:
    sequence = number.to_bytes(8, "big")
    encoded = b"%b/%b/%b/%b/%b" % (source.to_bytes(), sequence, topic.encode(), data, signature or b"")
    return RawMessage(topic, data, source.to_bytes(), sequence, signature, None, encoded, b"")


def own_message(source: PeerId, number: int, topic: str = "t", data: bytes = b"data") -> Message:
    raw = raw_message(source, number, topic, data)
    return Message(source, topic, data, raw.sequence, source.to_bytes() + (raw.sequence or b""), source, raw.encoded)


def check(raw: RawMessage) -> str | None:
    return None if raw.signature else "it is not signed"


def make_admission(local: PeerId, **options: Any) -> Admission:
    return Admission(local_peer=local, check=check, message_id=source_and_sequence, **options)


def raw_of(message: Message) -> RawMessage:
    source = None if message.source is None else message.source.to_bytes()
    signature = message.encoded.rpartition(b"/")[2]
    return RawMessage(message.topic, message.data, source, message.sequence, signature, None, message.encoded, b"")


def of(actions: Sequence[Action], kind: type[Any]) -> list[Any]:
    """The actions of a kind."""
    return [action for action in actions if isinstance(action, kind)]


def said(actions: Sequence[Action], peer: PeerId, kind: str) -> list[Any]:
    """What is said to a peer, of a kind, such as `prune`."""
    return [each for action in of(actions, Send) if action.peer == peer for each in getattr(action.rpc, kind)]
