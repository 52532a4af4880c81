"""What becomes of a message that comes: whether it is new, and what is remembered of it.

A network floods each message over many ways, so most copies are duplicates, and telling them must be cheap. But an id
is only what the sender says: whoever forges a message can give it the id of a true one that is still on its way. So an
id is *seen* once a message with it has passed its checks, and not before; and what is remembered until then, or of a
message that failed, is its bytes. A forged copy can therefore neither hide the true one nor put the blame for itself on
those who brought the true one.

==========  =====================  ======================  =========  ===========  =======
the id is   the same bytes come    other bytes come        accepted   rejected     ignored
==========  =====================  ======================  =========  ===========  =======
unknown     validate: validating   validate: validating    -          -            -
validating  duplicate, shares the  validate, too           seen       refused [1]  seen
            outcome
seen        duplicate              duplicate               duplicate  refused [1]  seen
refused     rejected               validate: validating    -          -            -
==========  =====================  ======================  =========  ===========  =======

[1] these bytes are, not the id

Source: libp2p specs, pubsub, "Message Identification" and "Message Signing".
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from hashlib import sha256

from p2pstack.errors import RemoteProtocolError
from p2pstack.identity.peer_id import PeerId
from p2pstack.pubsub.actions import Validate
from p2pstack.pubsub.events import Duplicate, Rejected
from p2pstack.pubsub.message import Message
from p2pstack.pubsub.rpc import RawMessage
from p2pstack.pubsub.seen import SeenCache

__all__ = ["BLACKLISTED", "Admission"]

#: why a message of, or from, somebody on the blacklist is refused: nobody pays for it
BLACKLISTED = "blacklisted"
_MALFORMED_SOURCE = "its source is no peer id"
_REFUSED_BEFORE = "it was refused before"

#: refused messages whose bytes are remembered, as digests
_REFUSED_LIMIT = 8_192
#: authors whose ids are kept parsed
_SOURCES_LIMIT = 1_024


class Admission:
    """Tells new messages from others, and remembers what became of them.

    :param local_peer: who we are: our own messages that come back are duplicates
    :param check: the signing policy: why a message may not have the fields it has, or None
    :param message_id: makes ids; `message_ids` has other functions for single topics
    :param seen_ttl: seconds for which an id is remembered
    :param seen_limit: ids remembered at most
    :param blacklist: whose messages are refused, whether they wrote or only brought them
    """

    __slots__ = (
        "_blacklist",
        "_check",
        "_local_peer",
        "_message_id",
        "_message_ids",
        "_refused",
        "_sources",
        "_validating",
        "seen",
    )

    def __init__(
        self,
        *,
        local_peer: PeerId,
        check: Callable[[RawMessage], str | None],
        message_id: Callable[[Message], bytes],
        message_ids: Mapping[str, Callable[[Message], bytes]] | None = None,
        seen_ttl: float = 120.0,
        seen_limit: int = 1 << 18,
        blacklist: Collection[PeerId] = (),
    ) -> None:
        self._local_peer = local_peer
        self._check = check
        self._message_id = message_id
        self._message_ids = message_ids or {}
        self._blacklist = blacklist
        self.seen = SeenCache(ttl=seen_ttl, limit=seen_limit)
        self._refused = SeenCache(ttl=seen_ttl, limit=_REFUSED_LIMIT)
        #: for each id in validation, for each of the messages that claim it (by their bytes), who brought it
        self._validating: dict[bytes, dict[bytes, list[PeerId]]] = {}
        self._sources: dict[bytes, PeerId] = {}

    def admit(self, raw: RawMessage, sender: PeerId, now: float) -> Validate | Duplicate | Rejected:
        """What to do with a message that `sender` brought."""
        if self._blacklist and sender in self._blacklist:
            return Rejected(None, raw.topic, sender, BLACKLISTED)
        reason = self._check(raw)
        if reason is not None:
            return Rejected(None, raw.topic, sender, reason)
        source = None
        if raw.source is not None:
            source = self._sources.get(raw.source) or self._parse_source(raw.source)
            if source is None:
                return Rejected(None, raw.topic, sender, _MALFORMED_SOURCE)
        encoded = raw.encoded
        message = self.identify(Message(source, raw.topic, raw.data, raw.sequence, b"", sender, encoded))
        id_ = message.id
        if self._blacklist and source in self._blacklist:
            return Rejected(id_, raw.topic, sender, BLACKLISTED)
        if id_ in self.seen or source == self._local_peer:
            return Duplicate(id_, raw.topic, sender)
        if len(self._refused) and sha256(encoded).digest() in self._refused:
            return Rejected(id_, raw.topic, sender, _REFUSED_BEFORE)
        candidates = self._validating.get(id_)
        if candidates is None:
            self._validating[id_] = {encoded: [sender]}
            return Validate(message, raw)
        senders = candidates.get(encoded)
        if senders is None:
            candidates[encoded] = [sender]
            return Validate(message, raw)
        if sender not in senders:
            senders.append(sender)
        return Duplicate(id_, raw.topic, sender)

    def identify(self, message: Message) -> Message:
        """The message with its id, whatever id it had."""
        function = self._message_ids.get(message.topic, self._message_id) if self._message_ids else self._message_id
        # Nobody else has the message yet, and to make it anew would cost more than all the rest of this.
        object.__setattr__(message, "id", function(message))
        return message

    def known(self, id_: bytes) -> bool:
        """Whether a message with this id is here, be it in validation."""
        return id_ in self.seen or id_ in self._validating

    def publish(self, message: Message, now: float) -> bool:
        """Remember a message of our own; False where there was one with its id."""
        return self.seen.add(message.id, now)

    def accept(self, message: Message, now: float) -> Sequence[PeerId] | None:
        """A message passed its checks: who brought it. None where another one with its id did before."""
        candidates = self._validating.pop(message.id, None)
        if not self.seen.add(message.id, now):
            return None
        senders = None if candidates is None else candidates.get(message.encoded)
        return senders or (message.received_from,)

    def reject(self, message: Message, now: float) -> Sequence[PeerId]:
        """A message failed its checks: who brought it."""
        self._refused.add(sha256(message.encoded).digest(), now)
        return self._settle(message)

    def ignore(self, message: Message, now: float) -> None:
        """A message is of no use."""
        self._settle(message)
        self.seen.add(message.id, now)

    def expire(self, now: float) -> None:
        """Forget what is due."""
        self.seen.expire(now)
        self._refused.expire(now)

    def _settle(self, message: Message) -> Sequence[PeerId]:
        candidates = self._validating.get(message.id)
        senders = candidates.pop(message.encoded, None) if candidates is not None else None
        if not candidates:
            self._validating.pop(message.id, None)
        return senders or (message.received_from,)

    def _parse_source(self, data: bytes) -> PeerId | None:
        try:
            source = PeerId.from_bytes(data)
        except RemoteProtocolError:
            return None
        if len(self._sources) >= _SOURCES_LIMIT:
            self._sources.clear()
        self._sources[data] = source
        return source
