"""A scenario is run with a fault at each byte, and says at which it failed."""

import pytest
from anyio import BrokenResourceError, EndOfStream

from p2pstack import LocalProtocolError
from p2pstack.streams.memory import memory_pipe
from p2pstack.testing import Fault, FaultKind, FaultPlan, Way, at_every_byte


async def test_a_scenario_meets_each_fault_once() -> None:
    met: list[str] = []

    async def scenario(plan: FaultPlan) -> None:
        ours, theirs = memory_pipe()
        stream = plan.wrap(ours)
        assert plan.wrap(theirs) is not stream
        try:
            await stream.send(b"ab")
            await theirs.send(b"c")
            await stream.receive()
        except (BrokenResourceError, EndOfStream):
            assert not plan.harmless
        met.append(str(plan))

    assert await at_every_byte(scenario, kinds=[FaultKind.CUT, FaultKind.SPLIT]) == 11
    assert met == [
        "no fault",
        *(f"cut after {at} bytes sent" for at in range(3)),
        *(f"cut after {at} bytes received" for at in range(2)),
        *(f"split after {at} bytes sent" for at in range(3)),
        *(f"split after {at} bytes received" for at in range(2)),
    ]


async def test_what_comes_before_is_spared() -> None:
    survived: list[int] = []

    async def scenario(plan: FaultPlan) -> None:
        ours, theirs = memory_pipe()
        stream = plan.wrap(ours)
        await stream.send(b"spared")
        plan.arm()
        try:
            await stream.send(b"abc")
        except BrokenResourceError:
            assert plan.struck
        survived.append(len(await theirs.receive()))

    assert await at_every_byte(scenario, kinds=[FaultKind.CUT], ways=[Way.SENT], waits=True) == 5
    assert survived == [9, 6, 7, 8, 9]


async def test_a_failure_names_the_fault() -> None:
    async def scenario(plan: FaultPlan) -> None:
        ours, theirs = memory_pipe()
        await plan.wrap(ours).send(b"abc")
        assert await theirs.receive() == b"abc"

    with pytest.raises(BrokenResourceError) as failure:
        await at_every_byte(scenario, kinds=[FaultKind.SPLIT, FaultKind.CUT])
    assert failure.value.__notes__ == ["... of 3: split after 1 bytes sent"] or failure.value.__notes__ == [
        "... of 3: cut after 0 bytes sent"
    ]


async def test_a_scenario_without_a_stream_is_a_mistake() -> None:
    async def scenario(plan: FaultPlan) -> None:
        pass

    with pytest.raises(LocalProtocolError, match=r"no stream to plan\.wrap"):
        await at_every_byte(scenario)
    with pytest.raises(LocalProtocolError, match=r"no stream to plan\.wrap"):
        FaultPlan(Fault(FaultKind.CUT)).arm()
