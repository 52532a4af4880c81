"""Messages that peers may still ask for, and those that are announced to them.

Messages fall into windows, a heartbeat each. Those of the youngest `gossip` windows are announced; those of all
`length` can be had, for an announcement and the answer to it take their time. What is older is gone, and so is the
oldest of what is young where messages are more, or longer, than memory has room for.

Source: libp2p specs, pubsub/gossipsub 1.0, "Message Cache".
"""

from collections import deque

from p2pstack.identity.peer_id import PeerId
from p2pstack.pubsub.message import Message

__all__ = ["MessageCache"]


class MessageCache:
    """The messages of the last heartbeats.

    :param length: windows
    :param gossip: windows whose messages are announced
    :param limit: bytes of all messages
    """

    __slots__ = ("_gossip", "_limit", "_messages", "_order", "_sent", "_size", "_windows", "evicted")

    def __init__(self, *, length: int, gossip: int, limit: int) -> None:
        self._gossip = gossip
        self._limit = limit
        self._messages: dict[bytes, Message] = {}
        #: all ids, the oldest first
        self._order: deque[bytes] = deque()
        #: for each window, the youngest first, the ids of each topic
        self._windows: deque[dict[str, list[bytes]]] = deque(({} for _ in range(length)), length)
        #: how often messages were asked for, by whom
        self._sent: dict[bytes, dict[PeerId, int]] = {}
        self._size = 0
        #: messages that had to go before their time
        self.evicted = 0

    def __len__(self) -> int:
        return len(self._messages)

    @property
    def size(self) -> int:
        """Bytes of all messages."""
        return self._size

    def put(self, message: Message) -> None:
        """Keep a message."""
        id_ = message.id
        if id_ in self._messages:
            return
        self._messages[id_] = message
        self._order.append(id_)
        window = self._windows[0]
        if (ids := window.get(message.topic)) is not None:
            ids.append(id_)
        else:
            window[message.topic] = [id_]
        self._size += len(message.encoded)
        while self._size > self._limit:
            self._drop(self._order.popleft())
            self.evicted += 1

    def get(self, id_: bytes) -> Message | None:
        """A message; None where it is not here."""
        return self._messages.get(id_)

    def asked(self, id_: bytes, peer: PeerId) -> int:
        """Count that a peer asks for a message, and how often it did."""
        sent = self._sent.setdefault(id_, {})
        count = sent[peer] = sent.get(peer, 0) + 1
        return count

    def announced(self, topic: str) -> list[bytes]:
        """The ids to announce of a topic."""
        windows = list(self._windows)[: self._gossip]
        return [id_ for window in windows for id_ in window.get(topic, ()) if id_ in self._messages]

    def shift(self) -> None:
        """Begin a new window, and forget the oldest."""
        for ids in self._windows[-1].values():
            for id_ in ids:
                self._drop(id_)
        self._windows.appendleft({})
        while self._order and self._order[0] not in self._messages:
            self._order.popleft()

    def _drop(self, id_: bytes) -> None:
        # It may be gone: evicted from its window, or, where it came again after that, with the older of two windows.
        message = self._messages.pop(id_, None)
        if message is not None:
            self._size -= len(message.encoded)
            self._sent.pop(id_, None)
