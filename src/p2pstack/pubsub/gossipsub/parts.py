"""What an application gives to have messages in parts: how a topic's parts are told apart, and the messages themselves.

For a large message of which peers have some parts and lack others, such as one that is erasure coded, or that is made
of things that peers hold already. Which parts there are, how they are encoded, and how it is told who has which, is the
application's own affair; both sides need to have the same idea of it. The rest (who is told, who is sent what, what is
remembered of whom) is done by `partial`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["PartialMessage", "PartialTopic", "merge_bitmaps"]


def merge_bitmaps(left: bytes, right: bytes) -> bytes:
    """Parts metadata where that is a bitmap of the parts that somebody has: all that are in one of the two."""
    size = max(len(left), len(right))
    return (int.from_bytes(left, "little") | int.from_bytes(right, "little")).to_bytes(size, "little")


@dataclass(frozen=True, kw_only=True, slots=True)
class PartialTopic:
    """How a topic has messages in parts."""

    requests: bool = True
    """Whether we want parts in place of whole messages, from peers that can send them. If not, we only send them."""

    merge: Callable[[bytes, bytes], bytes] = merge_bitmaps
    """Makes one of what was known of the parts that a peer has, and of what it tells now. Raises ValueError where it
    tells nothing that makes sense: the peer pays."""


class PartialMessage(ABC):
    """A message in parts: those that we have. As it changes, it is published again."""

    @property
    @abstractmethod
    def group_id(self) -> bytes:
        """What tells the message from others of its topic: 1 KiB at most, unless configured otherwise."""

    @property
    @abstractmethod
    def parts_metadata(self) -> bytes:
        """Which parts we have, or want: 64 KiB at most, unless configured otherwise."""

    @abstractmethod
    def parts_for(self, metadata: bytes | None) -> tuple[bytes, bytes] | None:
        """The parts, of those we have, that a peer lacks.

        :param metadata: what is known of the parts that the peer has; None: nothing, and what is returned is pushed to
            it eagerly
        :returns: the parts, encoded, and the metadata of the peer once it has them; None: nothing is to be sent
        :raises ValueError: the metadata makes no sense, and the peer pays
        """
