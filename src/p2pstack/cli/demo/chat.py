"""The second act of the demo: all hosts publish messages; meanwhile one is killed, and another joins."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import anyio
from anyio import create_task_group, fail_after, sleep

from p2pstack.cli.demo.process import Member
from p2pstack.cli.demo.tally import Tally
from p2pstack.cli.demo.view import KILLED, View
from p2pstack.cli.output import Output, milliseconds
from p2pstack.cli.run import Failed

__all__ = ["Chat"]

#: from one message of a host to its next, in seconds
_INTERVAL = 0.1
#: for meshes to form, and for the last messages to arrive, in seconds
_GRACE = 20.0
#: how many hosts the newcomer is told of
_INTRODUCTIONS = 2
#: peers in each mesh before the first message is sent, where there are so many
_MESH = 4


class Chat:
    """What happens, and what is seen of it.

    :param newcomer: who joins late; its process runs already
    """

    def __init__(self, output: Output, view: View, tally: Tally, members: Sequence[Member], newcomer: Member) -> None:
        self.killed = members[len(members) // 2]
        self.newcomer = newcomer
        #: those who are there from the beginning to the end
        self.stayers = [member for member in members if member is not self.killed]
        self._members = members
        self._output = output
        self._view = view
        self._tally = tally
        self._reports = dict.fromkeys((member.name for member in (*members, newcomer)), 0)
        self._reported = anyio.Event()
        self._over = False

    async def play(self, seconds: float) -> None:
        """Let it happen.

        :raises Failed: a message did not arrive, or came twice
        """
        async with create_task_group() as tasks:
            for member in self._members:
                tasks.start_soon(self._follow, member)
            await self._begin(self._members, mesh=min(_MESH, len(self._members) - 1))
            await sleep(seconds / 3)
            self._view.fate(self.killed.name, KILLED)
            self._output.record(event="killed", name=self.killed.name)
            self.killed.process.kill()
            await sleep(seconds / 3)
            tasks.start_soon(self._follow, self.newcomer)
            await self.newcomer.order(call={member.name: member.peer for member in self.stayers[:_INTRODUCTIONS]})
            await self._begin([self.newcomer], mesh=1)
            self._view.fate(self.newcomer.name, "joined late")
            self._output.record(event="joined", name=self.newcomer.name)
            await sleep(seconds / 3)
            await self._settle()
            tasks.cancel_scope.cancel()

    async def _begin(self, members: Sequence[Member], *, mesh: int) -> None:
        """Let them join, and speak once they have a mesh: what is said before does not come to all."""
        for member in members:
            await member.order(join=member.name)
        with _deadline("there was no mesh"):
            while any(self._tally.mesh(member.name) < mesh for member in members):
                await self._reported.wait()
        for member in members:
            await member.order(speak=_INTERVAL)

    async def _follow(self, member: Member) -> None:
        while True:
            try:
                event = await member.event()
            except Failed:
                if member is self.killed:
                    return
                raise
            if event["event"] == "messages":
                self._tally.update(member.name, event)
                self._reports[member.name] += 1
                self._reported.set()
                self._reported = anyio.Event()

    async def _settle(self) -> None:
        """Let all be quiet, and wait until everything has come to everybody."""
        present = [*self.stayers, self.newcomer]
        for member in present:
            await member.order(quiet=True)
        # One that may have been written before the order was read, and one behind it.
        enough = {member.name: self._reports[member.name] + 2 for member in present}
        with _deadline("not all messages arrived"):
            while self.missing or any(self._reports[name] < count for name, count in enough.items()):
                await self._reported.wait()
        if twice := sum(share.twice for share in self._tally.shares.values()):
            raise Failed(f"{twice} messages came twice")

    @property
    def missing(self) -> int:
        """How many messages of those present have not come to one or another of those who were there all the time."""
        stayers = [member.name for member in self.stayers]
        return self._tally.missing([*stayers, self.newcomer.name], stayers)

    def conclude(self) -> dict[str, Any]:
        """Say in a line what was seen; the figures of it."""
        # Who joins late asks for what was said before, and so gets it late.
        shares, delays = self._tally.shares, self._tally.delays(member.name for member in self.stayers)
        published, received = sum(share.published for share in shares.values()), self._tally.received
        self._output.say(
            f"{published:,} messages came to {received:,} readers, after {milliseconds(delays[0])} (99 of 100 within "
            f"{milliseconds(delays[1])}), none twice, none missing, though {self.killed.name} was killed and "
            f"{self.newcomer.name} joined meanwhile."
        )
        return {
            "published": published,
            "received": received,
            "delay_ms": {"median": delays[0] * 1e3, "p99": delays[1] * 1e3},
            "killed": self.killed.name,
            "joined": self.newcomer.name,
        }


@contextmanager
def _deadline(failure: str) -> Generator[None]:
    try:
        with fail_after(_GRACE):
            yield
    except TimeoutError:
        raise Failed(f"{failure} within {_GRACE:g} s") from None
