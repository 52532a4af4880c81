"""The messages in parts of the gossipsub harness: groups of 8 parts of 1 KiB.

==============  ====================================================================================================
group id        a number, 8 bytes big endian
part            1,024 bytes: numbers of 8 bytes, counting up from the group's number over all parts
metadata        a byte, with a bit for each part that its sender has
message         such a byte for the parts in it, these parts in their order, the group id
==============  ====================================================================================================
"""

from collections.abc import Callable

from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus

from p2pstack import GossipSub
from p2pstack.pubsub import PartialMessage, PartialTopic, ReceivedParts

__all__ = ["ALL_PARTS", "Group", "Groups"]

COUNT = 8
SIZE = 1024
ALL_PARTS = 0xFF


class Group(PartialMessage):
    """The parts of a group that are here."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.parts: dict[int, bytes] = {}
        #: whether peers of which nothing is known are sent all, unasked
        self.eager = False

    @property
    def have(self) -> int:
        """A bit for each part that is here."""
        return sum(1 << part for part in self.parts)

    @property
    def group_id(self) -> bytes:
        return self.number.to_bytes(8, "big")

    @property
    def parts_metadata(self) -> bytes:
        return bytes([self.have])

    def parts_for(self, metadata: bytes | None) -> tuple[bytes, bytes] | None:
        if metadata is None:
            theirs = 0 if self.eager else ALL_PARTS
        elif len(metadata) == 1:
            theirs = metadata[0]
        else:
            raise ValueError(f"expected parts metadata of 1 byte, got {len(metadata)}")
        missing = self.have & ~theirs
        if not missing:
            return None
        return self.encode(missing), bytes([theirs | missing])

    def encode(self, parts: int) -> bytes:
        """A message with those parts."""
        chosen = [part for number, part in sorted(self.parts.items()) if parts >> number & 1]
        return b"".join([bytes([parts]), *chosen, self.group_id])

    def make(self, parts: int) -> None:
        """Have those parts."""
        for part in range(COUNT):
            if parts >> part & 1:
                first = self.number + part * SIZE // 8
                numbers = (number & (1 << 64) - 1 for number in range(first, first + SIZE // 8))
                self.parts[part] = b"".join(number.to_bytes(8, "big") for number in numbers)

    def take(self, message: bytes) -> int:
        """Put in the parts of a message; which these are.

        :raises ValueError: it is not as long as the parts that it says are in it
        """
        parts = message[0] if message else 0
        if len(message) != 9 + parts.bit_count() * SIZE or not message.endswith(self.group_id):
            raise ValueError(f"expected a message of group {self.number}, got {len(message)} bytes")
        start = 1
        for part in range(COUNT):
            if parts >> part & 1:
                self.parts.setdefault(part, message[start : start + SIZE])
                start += SIZE
        return parts


class Groups:
    """The groups of a node.

    :param told: is called with the topic, the group, who sent parts, which, and whether any of them was new
    """

    def __init__(self, pubsub: GossipSub, told: Callable[[str, Group, str, int, bool], None]) -> None:
        self._pubsub = pubsub
        self._told = told
        self._groups: dict[tuple[str, int], Group] = {}

    def get(self, topic: str, number: int) -> Group:
        return self._groups.setdefault((topic, number), Group(number))

    async def publish(self, topic: str, number: int) -> None:
        """Tell peers which parts of a group are here, and send them what they lack."""
        await self._pubsub.publish_parts(topic, self.get(topic, number))

    async def read(self, topic: str, *, requests: bool, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Join a topic, and take in what comes of its groups."""
        async with self._pubsub.subscribe_parts(topic, PartialTopic(requests=requests)) as received:
            task_status.started()
            async for parts in received:
                await self._take(parts)

    async def _take(self, received: ReceivedParts) -> None:
        topic, number = received.topic, int.from_bytes(received.group_id, "big")
        known = (topic, number) in self._groups
        group = self.get(topic, number)
        before = group.have
        if received.data:
            try:
                parts = group.take(received.data)
            except ValueError:
                self._pubsub.reject_parts(received)
                return
            self._told(topic, group, str(received.peer), parts, group.have != before)
        if group.have != before or not known:
            await self.publish(topic, number)
