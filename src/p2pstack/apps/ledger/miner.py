"""Where proofs of work come from.

A node is given a `Seek`, which returns when it has the nonce of a header. One of them searches, in a process of its
own, since a thread would hold the interpreter's lock. The other sleeps for as long as a search may take: so a hundred
miners fit into a simulation.
"""

import logging
import signal
from collections.abc import Awaitable, Callable
from random import Random
from typing import TypeAlias

from anyio import BrokenWorkerProcess, CancelScope, sleep, to_process
from anyio.lowlevel import checkpoint_if_cancelled

from p2pstack.apps.ledger.block import Header, search

__all__ = ["Seek", "by_chance", "by_work"]

#: Gives a nonce for a header. It is cancelled when there is a newer block to build on.
Seek: TypeAlias = Callable[[Header], Awaitable[int]]

logger = logging.getLogger(__name__)

#: nonces that are tried at once: a millisecond, and a fifth of a second
_FEW = 1_000
_MANY = 250_000
#: seconds before another process is started in place of one that was killed
_PAUSE = 0.5


async def by_work(header: Header) -> int:
    """Search, until found."""
    start = 0
    nonce = search(header, start, _FEW)  # what takes so little needs no process
    start += _FEW
    while nonce is None:
        await checkpoint_if_cancelled()
        try:
            # a process whose start is cancelled would be left behind, with nobody to end it
            with CancelScope(shield=True):
                nonce = await to_process.run_sync(_search_apart, header, start, _MANY)
            start += _MANY
        # The ctrl-c of a terminal reaches that process as well, and before it can say that this is not for it: then it
        # hands the interrupt back as what came of the search, or is found to be gone.
        except (BrokenWorkerProcess, ProcessLookupError, KeyboardInterrupt):
            await sleep(_PAUSE)
            logger.warning("the process that searches for a block was killed: another one goes on")
    return nonce


def _search_apart(header: Header, start: int, count: int) -> int | None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ctrl-c is for the node, which then ends this process
    return search(header, start, count)


def by_chance(random: Random, *, mean: float) -> Seek:
    """Sleep for times that are distributed exponentially, as those of searches are, and then take any nonce: for rules
    with a difficulty of 1.

    :param mean: seconds, on average
    """

    async def seek(header: Header) -> int:
        await sleep(random.expovariate(1 / mean))
        return 0

    return seek
