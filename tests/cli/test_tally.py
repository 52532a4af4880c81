"""Who got how many messages in the demo."""

from typing import Any

from p2pstack.cli.demo.tally import Tally


def event(published: int, received: dict[str, int], *delays: float, twice: int = 0, mesh: int = 3) -> dict[str, Any]:
    return {"published": published, "received": received, "twice": twice, "mesh": mesh, "delays_ms": list(delays)}


def test_it_knows_what_each_said_last() -> None:
    tally = Tally()
    assert tally.mesh("a") == 0
    tally.update("a", event(1, {"a": 1}, 10.0))
    share = tally.update("a", event(2, {"a": 2, "b": 1}, 30.0, 20.0, mesh=5))
    assert (share.published, share.received, share.delay) == (2, {"a": 2, "b": 1}, 0.02)
    assert tally.mesh("a") == 5
    assert tally.received == 3


def test_it_counts_what_is_missing_and_nothing_that_came_before_it_was_told_of() -> None:
    tally = Tally()
    tally.update("a", event(5, {"a": 5, "b": 2}))
    assert tally.missing(["a"], ["a"]) == 0
    assert tally.missing(["a", "b"], ["a", "b"]) == 5
    tally.update("b", event(2, {"a": 4, "b": 2}))
    assert tally.missing(["a", "b"], ["a", "b"]) == 1
    assert tally.missing(["b"], ["a"]) == 0


def test_delays_are_those_of_the_readers_that_are_asked_for() -> None:
    tally = Tally()
    assert tally.delays(["a"]) == (0, 0)
    tally.update("a", event(0, {}, *range(1, 101)))
    tally.update("b", event(0, {}, 9_000.0))
    assert tally.delays(["a"]) == (0.0505, 0.1)
    assert tally.delays(["a", "b"])[1] == 0.1
