"""The turns of inbound streams, and how many there may be."""

from anyio import create_task_group, wait_all_tasks_blocked
from anyio.lowlevel import checkpoint

from p2pstack.swarm.inbound import InboundStreams


class Starter:
    def __init__(self) -> None:
        self.started: list[object] = []

    def start(self, muxed: object) -> None:
        self.started.append(muxed)


def test_whoever_fills_the_host_keeps_nobody_else_out() -> None:
    streams = InboundStreams(20)
    assert [streams.admit(held) for held in range(30)] == [True] * 20 + [False] * 10
    assert [streams.admit(held) for held in range(20)] == [True] * 16 + [False] * 4
    assert streams.open == 36
    streams.release()
    assert not streams.admit(16)


async def test_few_streams_begin_at_once() -> None:
    streams = InboundStreams(1_000)
    starter = Starter()
    for number in range(10):
        streams.begin(starter, number)  # type: ignore[arg-type]
    assert starter.started == list(range(10))


async def test_many_streams_begin_in_turns_connection_by_connection() -> None:
    streams = InboundStreams(1_000)
    one, other = Starter(), Starter()
    async with create_task_group() as tasks:
        tasks.start_soon(streams.run)
        await wait_all_tasks_blocked()
        for number in range(100):
            streams.begin(one, number)  # type: ignore[arg-type]
        for number in range(3):
            streams.begin(other, number)  # type: ignore[arg-type]
        assert (len(one.started), len(other.started)) == (32, 0)
        while len(other.started) < 3:
            await checkpoint()
        assert len(one.started) < 100
        while len(one.started) < 100:
            before = len(one.started)
            await checkpoint()
            assert len(one.started) - before <= 64  # trio may give the other task two turns in this one's
        assert one.started == list(range(100))
        await wait_all_tasks_blocked()
        streams.begin(other, 3)  # type: ignore[arg-type]
        assert other.started == [0, 1, 2, 3]
        tasks.cancel_scope.cancel()
