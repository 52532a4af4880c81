"""The keeper looks when it was told to, whatever the event loop's timers can do."""

from collections.abc import Callable

import pytest

from p2pstack.muxers.yamux.keeper import Keeper


class FakeTimer:
    """Can be cancelled, and nothing else, as some of uvloop's."""

    def __init__(self, due: float, function: Callable[[], None]) -> None:
        self.due, self.function, self.cancelled = due, function, False

    def cancel(self) -> None:
        self.cancelled = True


class FakeSoon:
    def __init__(self) -> None:
        self.timers: list[FakeTimer] = []

    def call(self, function: Callable[[], None]) -> None:
        raise AssertionError("nothing of a keeper is to be done soon")

    def at(self, when: float, function: Callable[[], None]) -> FakeTimer:
        self.timers.append(FakeTimer(when, function))
        return self.timers[-1]

    def release(self) -> None:
        raise AssertionError("the keeper has no user of its own")

    @property
    def due(self) -> list[float]:
        return [timer.due for timer in self.timers if not timer.cancelled]

    def fire(self) -> None:
        (timer,) = [timer for timer in self.timers if not timer.cancelled]
        self.timers.remove(timer)
        timer.function()


@pytest.fixture
def soon() -> FakeSoon:
    return FakeSoon()


def test_looks_when_the_look_before_said(soon: FakeSoon) -> None:
    times = iter([20.0, 30.0, None])
    Keeper(soon, lambda: next(times), deadline=10.0)
    for due in (10.0, 20.0, 30.0):
        assert soon.due == [due]
        soon.fire()
    assert soon.due == []


def test_can_be_hastened_but_not_delayed(soon: FakeSoon) -> None:
    keeper = Keeper(soon, lambda: 20.0, deadline=10.0)
    keeper.hasten(15.0)
    assert soon.due == [10.0]
    keeper.hasten(5.0)
    assert soon.due == [5.0]
    soon.fire()
    keeper.hasten(19.0)
    assert soon.due == [19.0]


def test_is_not_hastened_by_its_own_look_nor_after_the_last_one(soon: FakeSoon) -> None:
    keeper: Keeper

    def look() -> None:
        keeper.hasten(1.0)

    keeper = Keeper(soon, look, deadline=10.0)
    soon.fire()
    keeper.hasten(1.0)
    assert soon.due == []


def test_looks_no_more_when_stopped(soon: FakeSoon) -> None:
    keeper = Keeper(soon, lambda: 20.0, deadline=10.0)
    keeper.stop()
    keeper.stop()
    keeper.hasten(1.0)
    assert soon.due == []
