"""What all nodes of a network agree on, and how difficult its next block is. Pure."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from hashlib import sha256

from msgspec import msgpack

from p2pstack import LocalProtocolError
from p2pstack.apps.ledger.transfer import MAX_AMOUNT

__all__ = ["MEDIAN_OF", "Rules"]

#: a block is later than the median of so many before it
MEDIAN_OF = 11
#: a retarget changes the difficulty by no more than this factor
_MAX_STEP = 4
_MAX_DIFFICULTY = (1 << 64) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The rules of one network: nodes with different ones have different first blocks, and never agree. Times are in
    milliseconds, those of clocks since 1970.

    :raises LocalProtocolError: a figure is out of its bounds
    """

    #: What transfers are signed for, and part of the names of protocols and topics.
    network: str = "main"
    #: Between two blocks, on average.
    block_time: int = 15_000
    #: After so many blocks the difficulty is adjusted; 0: never.
    retarget: int = 60
    #: How many hashes the first blocks take, on average: about a second of one core.
    difficulty: int = 1 << 20
    #: What the miner of a block gets, beside the fees: this is where all money comes from, but for `allocation`.
    reward: int = 1_000
    #: Transfers in one block.
    max_transfers: int = 1_000
    #: By how much a block may be ahead of the clock of whoever looks at it.
    max_skew: int = 120_000
    #: When the first block was.
    genesis_time: int = 1_767_225_600_000
    #: Accounts that have something from the beginning.
    allocation: tuple[tuple[bytes, int], ...] = ()

    def __post_init__(self) -> None:
        lowest = {"retarget": 0, "reward": 0, "genesis_time": 0, "max_skew": 0}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, int) and not lowest.get(field.name, 1) <= value < MAX_AMOUNT:
                raise LocalProtocolError(f"Rules: expected {field.name} from {lowest.get(field.name, 1)}, got {value}")
        if not self.network.isidentifier() or len(self.network) > 32:
            raise LocalProtocolError(
                f"Rules: expected a name of letters, digits and _ of at most 32, got {self.network!r}"
            )
        if self.max_transfers > 5_000:
            raise LocalProtocolError("Rules: expected at most 5,000 transfers a block: gossip takes 1 MiB")

    @property
    def digest(self) -> bytes:
        """What the first block has in it: all of this, hashed."""
        return sha256(msgpack.encode((1, *astuple(self)))).digest()

    def supply(self, height: int) -> int:
        """All the money that there is with a block of this height."""
        return self.reward * height + sum(amount for _, amount in self.allocation)

    def retargets(self, height: int) -> bool:
        """Whether the difficulty of a block of this height is another one than that of its parent."""
        return self.retarget > 0 and height % self.retarget == 0 and height > 2

    def first_of_window(self, height: int) -> int:
        """The height of the first block that the time is measured from, for a block that retargets."""
        return max(1, height - 1 - self.retarget)

    def adjusted(self, difficulty: int, *, blocks: int, taken: int) -> int:
        """The difficulty from here on: in proportion to how much faster blocks came than they should.

        :param blocks: how many there were
        :param taken: the time between their first parent and the last of them
        """
        wanted = blocks * self.block_time
        taken = min(max(taken, wanted // _MAX_STEP, 1), wanted * _MAX_STEP)
        return min(max(1, difficulty * wanted // taken), _MAX_DIFFICULTY)

    @staticmethod
    def earliest(times: Sequence[int]) -> int:
        """The earliest time of a block, given those of the `MEDIAN_OF` before it, or of as many as there are."""
        return sorted(times)[len(times) // 2] + 1
