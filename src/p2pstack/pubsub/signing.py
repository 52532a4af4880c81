"""Signatures on messages: which a policy asks for, how they are made, and whether they hold. Pure.

=================  ====================================  ==============================================
policy             own messages                          messages of others
=================  ====================================  ==============================================
`STRICT_SIGN`      signed, with author and sequence      must be, and the signature must hold
`STRICT_NO_SIGN`   bare                                  must have no author, sequence, signature or key
`LAX_SIGN`         signed, with author and sequence      a signature must hold where there is one
`LAX_NO_SIGN`      bare                                  a signature must hold where there is one
=================  ====================================  ==============================================

Presence is cheap to check and verification is not (43 us against less than one): so they are two steps, and a
duplicate is dropped between them.

What an author signs is the message without signature and key. The key that it must hold for is in the author's peer id,
or, where that is a hash, in the message; then it must hash to the id.

Source: libp2p specs, pubsub, "Message Signing".
"""

from enum import Enum

from p2pstack.errors import LimitExceeded, LocalProtocolError, RemoteProtocolError
from p2pstack.identity.keys import PrivateKey, PublicKey
from p2pstack.identity.peer_id import PeerId
from p2pstack.pubsub.fields import encode_field, name_of_topic
from p2pstack.pubsub.pieces import HEAD_SIZE, MAX_RPC_SIZE
from p2pstack.pubsub.rpc import RawMessage

__all__ = ["BAD_SIGNATURE", "SIGN_PREFIX", "Author", "KeyRing", "SigningPolicy"]

#: what a signature is about begins with this
SIGN_PREFIX = b"libp2p-pubsub:"
#: bytes of a sequence number
_SEQUENCE_SIZE = 8
#: keys that came with messages, and are kept parsed
_KEYS_LIMIT = 1_024

_NO_TOPIC = "it has no topic"
_NO_SIGNATURE = "it has no signature"
_NO_SOURCE = "it has a signature and no author"
_NO_SEQUENCE = f"it has no sequence number of {_SEQUENCE_SIZE} bytes"
_NOT_BARE = "it has a signature, key, author or sequence number, which this network has not"
_NO_KEY = "its author's id is a hash, and it has no key"
_BAD_KEY = "its key is no key"
_FOREIGN_KEY = "its key is not its author's"
BAD_SIGNATURE = "its signature does not hold"


class SigningPolicy(Enum):
    """Who signs, and what is asked of others. All nodes of a network should have the same. The strict ones are for use;
    the lax ones take part in networks that have both kinds, where who wrote an unsigned message is anybody's guess."""

    STRICT_SIGN = "StrictSign"
    STRICT_NO_SIGN = "StrictNoSign"
    LAX_SIGN = "LaxSign"
    LAX_NO_SIGN = "LaxNoSign"

    @property
    def signs(self) -> bool:
        """Whether own messages have author, sequence and signature."""
        return self in (SigningPolicy.STRICT_SIGN, SigningPolicy.LAX_SIGN)

    def check(self, raw: RawMessage) -> str | None:
        """Why a message may not have, or lack, the fields that it does; None: it is as it should. Verifies nothing."""
        if not raw.topic:
            return _NO_TOPIC
        if self is SigningPolicy.STRICT_SIGN:
            if raw.signature is None:
                return _NO_SIGNATURE
            if raw.sequence is None or len(raw.sequence) != _SEQUENCE_SIZE:
                return _NO_SEQUENCE
        elif self is SigningPolicy.STRICT_NO_SIGN:
            bare = raw.source is None and raw.sequence is None and raw.signature is None and raw.key is None
            return None if bare else _NOT_BARE
        return _NO_SOURCE if raw.source is None and raw.signature is not None else None


class Author:
    """Writes the messages of this node.

    :param key: signs them; its peer id is their author
    :param first_sequence: their sequence numbers begin here: nanoseconds since 1970, so that after a restart they are
        above those before
    :param max_size: bytes of an RPC with one message at most
    """

    __slots__ = ("_head", "_key", "_max_size", "_sequence", "_signs", "_source", "_tail")

    def __init__(
        self, key: PrivateKey, policy: SigningPolicy, *, first_sequence: int, max_size: int = MAX_RPC_SIZE
    ) -> None:
        self._key = key
        self._signs = policy.signs
        self._sequence = first_sequence
        self._max_size = max_size
        peer = key.peer_id
        self._source = peer.to_bytes()
        self._head = encode_field(b"\x0a", self._source)
        self._tail = None if peer.public_key is not None else key.public_key.to_protobuf()

    def write(self, topic: str, data: bytes | bytearray | memoryview) -> RawMessage:
        """A message. What `data` holds later does not matter to it.

        :raises LocalProtocolError: no topic
        :raises LimitExceeded: it is too large to be sent
        """
        if not topic:
            raise LocalProtocolError("expected a topic to publish to, got none")
        data = bytes(data)
        fields = encode_field(b"\x12", data)
        name = encode_field(b"\x22", name_of_topic(topic))
        if not self._signs:
            encoded = fields + name
            raw = RawMessage(topic, data, encoded=encoded)
        else:
            sequence = (self._sequence & 0xFFFF_FFFF_FFFF_FFFF).to_bytes(_SEQUENCE_SIZE, "big")
            self._sequence += 1
            signed = b"%b%b%b\x1a\x08%b%b" % (SIGN_PREFIX, self._head, fields, sequence, name)
            signature = self._key.sign(signed)
            key = self._tail
            encoded = signed[len(SIGN_PREFIX) :] + encode_field(b"\x2a", signature)
            if key is not None:
                encoded += encode_field(b"\x32", key)
            raw = RawMessage(topic, data, self._source, sequence, signature, key, encoded, signed)
        if len(encoded) + HEAD_SIZE > self._max_size:
            raise LimitExceeded(
                "size of a message with its author and signature",
                limit=self._max_size - HEAD_SIZE,
                used=len(encoded),
                hint="publish it in parts",
            )
        return raw


class KeyRing:
    """Finds the keys that signatures must hold for. Keys that come with messages are kept parsed, up to 1,024 of them;
    those in peer ids are kept there."""

    __slots__ = ("_keys",)

    def __init__(self) -> None:
        self._keys: dict[bytes, PublicKey] = {}

    def key_of(self, raw: RawMessage, source: PeerId | None) -> PublicKey | str:
        """The key that a message's signature must hold for; else why there is none.

        :param source: the author in `raw`
        """
        if source is None:
            return _NO_SOURCE
        if raw.key is None:
            return source.public_key or _NO_KEY
        key = self._keys.get(raw.key)
        if key is None:
            try:
                key = PublicKey.from_protobuf(raw.key)
            except RemoteProtocolError:
                return _BAD_KEY
        if key.peer_id != source:
            return _FOREIGN_KEY
        if len(self._keys) >= _KEYS_LIMIT:
            self._keys.clear()
        self._keys[raw.key] = key
        return key

    def verify(self, raw: RawMessage, source: PeerId | None) -> str | None:
        """Why a message's signature is not to be believed; None: it holds, or there is none."""
        if raw.signature is None:
            return None
        key = self.key_of(raw, source)
        if isinstance(key, str):
            return key
        return None if key.verify(raw.signed, raw.signature) else BAD_SIGNATURE
