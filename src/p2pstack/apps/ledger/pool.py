"""Transfers that wait for a block, within limits. Pure.

Each sender has a queue of transfers numbered without a gap from the next number of its account on, all of which it can
pay from what it has: so whatever is chosen from the heads of queues makes a valid block.

====================================  =================================================================================
the next number of its sender         to the end of the queue
a number that is in the queue         in place of it, if its fee is higher by a tenth
a number before or after these        refused: spent already, or a gap
the queue costs more than there is    refused
`max_per_sender` are in the queue     refused
`max_transfers` are in all queues     the cheapest end of another queue goes, if its fee is lower; else refused
a block came, or was undone           `settle`: queues of those it touched are made anew
====================================  =================================================================================
"""

from collections.abc import Iterable, Iterator, Mapping
from heapq import heapify, heappop, heapreplace

from p2pstack.apps.ledger.accounts import Account
from p2pstack.apps.ledger.faults import Refused
from p2pstack.apps.ledger.transfer import Transfer

__all__ = ["Pool"]


class Pool:
    """Transfers that wait.

    :param max_transfers: in all: 152 bytes each, and about 500 of memory
    :param max_per_sender: of one account
    :param min_fee: what is not worth it
    """

    def __init__(self, *, max_transfers: int = 5_000, max_per_sender: int = 64, min_fee: int = 1) -> None:
        self.max_transfers = max_transfers
        self.max_per_sender = max_per_sender
        self.min_fee = min_fee
        self._queues: dict[bytes, list[Transfer]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Transfer]:
        return (transfer for queue in self._queues.values() for transfer in queue)

    def of(self, sender: bytes) -> tuple[Transfer, ...]:
        """Those of one sender, in the order of their numbers."""
        return tuple(self._queues.get(sender, ()))

    def check(self, transfer: Transfer, account: Account) -> None:
        """Whether `add` would take it.

        :param account: of its sender
        :raises Refused: it would not
        """
        queue = self._queues.get(transfer.sender, [])
        place = transfer.number - account.number
        if transfer.fee < self.min_fee:
            raise Refused(f"expected a fee of at least {self.min_fee}, got {transfer.fee}")
        if place < 0:
            raise Refused(f"transfer {transfer.number} of this account is in a block already")
        if place > len(queue):
            raise Refused(
                f"expected transfer {account.number + len(queue)} of this account next, got {transfer.number}"
            )
        if place < len(queue):
            replaced = queue[place]
            if transfer == replaced:
                raise Refused("this transfer waits already")
            if transfer.fee <= replaced.fee + replaced.fee // 10:
                raise Refused(f"another transfer with number {transfer.number} waits: to replace it, pay a higher fee")
        elif place >= self.max_per_sender:
            raise Refused(f"{self.max_per_sender} transfers of this account wait already")
        elif self._count >= self.max_transfers and self._cheapest(transfer) is None:
            raise Refused(f"{self.max_transfers} transfers wait, and none for a lower fee")
        cost = sum(waiting.cost for at, waiting in enumerate(queue) if at != place) + transfer.cost
        if cost > account.balance:
            raise Refused(f"the account has {account.balance}, and would spend {cost}")

    def add(self, transfer: Transfer, account: Account) -> None:
        """Take a transfer that `check` lets in, and whose signature has been verified."""
        queue = self._queues.setdefault(transfer.sender, [])
        place = transfer.number - account.number
        if place < len(queue):
            queue[place] = transfer
            return
        if self._count >= self.max_transfers and (cheapest := self._cheapest(transfer)) is not None:
            self._drop_last(cheapest)
        queue.append(transfer)
        self._count += 1

    def settle(self, accounts: Mapping[bytes, Account], returned: Iterable[Transfer] = ()) -> None:
        """Follow the chain.

        :param accounts: those that have changed, as they are now
        :param returned: transfers that were in blocks that count no longer: those still possible wait again
        """
        candidates = {sender: {each.number: each for each in self.of(sender)} for sender in accounts}
        for transfer in returned:
            candidates[transfer.sender].setdefault(transfer.number, transfer)
        for sender, by_number in candidates.items():
            queue: list[Transfer] = []
            left, number = accounts[sender]
            while (next_one := by_number.get(number)) and next_one.cost <= left and len(queue) < self.max_per_sender:
                queue.append(next_one)
                left, number = left - next_one.cost, number + 1
            self._count += len(queue) - len(self._queues.pop(sender, ()))
            if queue:
                self._queues[sender] = queue
        while self._count > self.max_transfers:
            self._drop_last(min(self._queues, key=self._last_fee))

    def choose(self, count: int) -> tuple[Transfer, ...]:
        """At most `count` transfers for a block, those with the highest fees first that their numbers allow."""
        chosen: list[Transfer] = []
        heads = [(-queue[0].fee, sender, 0) for sender, queue in self._queues.items()]
        heapify(heads)
        while heads and len(chosen) < count:
            _, sender, place = heads[0]
            queue = self._queues[sender]
            chosen.append(queue[place])
            if place + 1 < len(queue):
                heapreplace(heads, (-queue[place + 1].fee, sender, place + 1))
            else:
                heappop(heads)
        return tuple(chosen)

    def _last_fee(self, sender: bytes) -> int:
        return self._queues[sender][-1].fee

    def _cheapest(self, transfer: Transfer) -> bytes | None:
        """Whose last transfer makes room for another; None where none is cheaper."""
        others = (sender for sender in self._queues if sender != transfer.sender)
        sender = min(others, key=self._last_fee, default=None)
        return sender if sender is not None and self._last_fee(sender) < transfer.fee else None

    def _drop_last(self, sender: bytes) -> None:
        queue = self._queues[sender]
        queue.pop()
        self._count -= 1
        if not queue:
            del self._queues[sender]
