"""What waits to be sent to one peer. Pure.

Control goes before messages; each has a bound of its own. Messages are merged into RPCs when they are taken, and it is
these RPCs that the bound counts: 32 of them, each of many small messages or of one large one. What finds the queue full
is lost, for this peer only, and counted.

==================================  =======================  ================================================
what                                waits in                 where there is no room
==================================  =======================  ================================================
subscriptions, graft, prune, parts  control, 512 KiB         lost, and the peer no longer knows what we do:
                                                             `broken`, its stream should be opened anew
IHAVE, IWANT, IDONTWANT             control, half of that    lost
messages                            32 RPCs                  lost
==================================  =======================  ================================================

A message that waits can be taken back (IDONTWANT). All that is handed out is bytes, made at that moment.

Source: libp2p specs, pubsub, "The RPC"; the bound is go-libp2p-pubsub's.
"""

from collections.abc import Iterable
from itertools import islice

from p2pstack.pubsub.message import Message
from p2pstack.pubsub.pieces import CONTROL_SIZE, HEAD_SIZE, MAX_RPC_SIZE, MESSAGE_KEY, Piece, pack, split
from p2pstack.pubsub.rpc import RPC
from p2pstack.wire import varint

__all__ = ["Outbox"]

#: bytes of messages, and how many, that are merged into one RPC: see `pieces` for what others take
_MERGED_SIZE = 32_768
_MERGED_COUNT = 500
#: pieces of control that wait at most, however small
_MAX_PIECES = 5_000
#: keys of IHAVE, IWANT and IDONTWANT in a control message
_GOSSIP = (0x0A, 0x12, 0x2A)


class Outbox:
    """The queue of one peer. True where something waits.

    :param capacity: RPCs of messages that may wait, and RPCs' worth of control
    :param max_size: bytes of an RPC; a message or a part that fits none is dropped
    """

    __slots__ = (
        "_capacity", "_control", "_control_rpc", "_control_size", "_max_size", "_merged_rpc", "_messages", "_room",
        "_rpcs", "_slots", "broken", "dropped",
    )  # fmt: skip

    def __init__(self, *, capacity: int = 32, max_size: int = MAX_RPC_SIZE) -> None:
        self._capacity = capacity
        self._max_size = max_size
        #: bytes of an RPC of control, and of one of several messages
        self._control_rpc = min(CONTROL_SIZE, max_size)
        self._merged_rpc = min(_MERGED_SIZE, max_size)
        self._control: list[Piece] = []
        self._control_size = 0
        self._messages: dict[bytes, bytes] = {}
        #: RPCs that the messages will make, and how many bytes and messages the last of them can still take
        self._rpcs = self._room = self._slots = 0
        #: whether something that the peer must know was lost
        self.broken = False
        #: pieces of control, and messages, that were lost
        self.dropped = 0

    def __bool__(self) -> bool:
        return bool(self._messages or self._control)

    def __len__(self) -> int:
        """Messages that wait."""
        return len(self._messages)

    @property
    def crowded(self) -> bool:
        """Whether at least half of the room for messages is taken: who can wait before sending more, should."""
        return 2 * self._rpcs >= self._capacity

    def put(self, rpc: RPC) -> int:
        """Queue control, subscriptions or parts. Returns how many pieces found no room."""
        lost = 0
        for piece in split(rpc, size=self._control_rpc):
            in_control, data = piece
            gossip = in_control and data[0] in _GOSSIP
            bound = self._capacity * CONTROL_SIZE
            if (
                self._control_size >= (bound // 2 if gossip else bound)
                or len(self._control) >= (_MAX_PIECES // 2 if gossip else _MAX_PIECES)
                or len(data) + HEAD_SIZE > self._max_size
            ):
                lost += 1
                self.broken = self.broken or not gossip
            else:
                self._control.append(piece)
                self._control_size += len(data)
        self.dropped += lost
        return lost

    def put_message(self, message: Message) -> bool:
        """Queue a message, once. False where it found no room."""
        if message.id in self._messages:
            return True
        size = len(message.encoded) + HEAD_SIZE
        if not self._fit(size):
            self.dropped += 1
            return False
        self._messages[message.id] = message.encoded
        return True

    def discard(self, ids: Iterable[bytes]) -> int:
        """Take messages back that still wait. Returns how many did."""
        messages = self._messages
        before = len(messages)
        for message_id in ids:
            messages.pop(message_id, None)
        taken_back = before - len(messages)
        if taken_back:
            self._count()
        return taken_back

    def clear(self) -> int:
        """Forget all that waits: it was for a stream that is no more. Returns how many messages did."""
        lost = len(self._messages)
        self.dropped += lost
        self._control.clear()
        self._messages.clear()
        self._control_size = self._rpcs = self._room = self._slots = 0
        self.broken = False
        return lost

    def take(self, limit: int = MAX_RPC_SIZE) -> bytes:
        """All that waits, as RPCs behind their lengths: control first, then messages. Empty where nothing waits.

        :param limit: bytes after which further messages are left for the next time, so that they can still be taken
            back; by default more than all small ones that can wait
        """
        parts: list[bytes] = []
        if self._control:
            for payload in pack(self._control, size=self._control_rpc):
                parts += (varint.encode(len(payload)), payload)
            self._control.clear()
            self._control_size = 0
        if self._messages:
            self._take_messages(parts, limit)
        return b"".join(parts)

    def _take_messages(self, parts: list[bytes], limit: int) -> None:
        messages = self._messages
        merged: list[bytes] = []
        taken = size = 0
        for encoded in messages.values():
            length = len(encoded)
            head = b"\x12%c" % length if length < 0x80 else MESSAGE_KEY + varint.encode(length)
            length += len(head)
            if merged and (size + length > self._merged_rpc or len(merged) == 2 * _MERGED_COUNT):
                parts += (varint.encode(size), *merged)
                merged.clear()
                limit -= size
                size = 0
                if limit <= 0:
                    break
            merged += (head, encoded)
            size += length
            taken += 1
        if merged:
            parts += (varint.encode(size), *merged)
        if taken == len(messages):
            messages.clear()
            self._rpcs = self._room = self._slots = 0
        else:
            self._messages = dict(islice(messages.items(), taken, None))
            self._count()

    def _fit(self, size: int) -> bool:
        """Take the room for one more message, if there is any."""
        if size > self._room or not self._slots:
            if self._rpcs >= self._capacity or size > self._max_size:
                return False
            self._rpcs += 1
            self._room, self._slots = self._merged_rpc, _MERGED_COUNT
        self._room -= size
        self._slots -= 1
        return True

    def _count(self) -> None:
        """Count anew what waits, of which some was taken out."""
        self._rpcs = self._room = self._slots = 0
        for encoded in self._messages.values():
            self._fit(len(encoded) + HEAD_SIZE)
