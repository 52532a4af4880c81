"""The pytest plugin. pytest finds it by itself where p2pstack is installed.

==================  =============================================================================================
fixture             what it gives
==================  =============================================================================================
`p2p_network`       `net = await p2p_network(nodes=100)`: a simulated network, in virtual time
`p2p_hosts`         `one, other = await p2p_hosts(2)`: hosts that reach each other in memory
`p2p_faults`        connections that go wrong: `await p2p_hosts(2, wrap=p2p_faults.wrap)`
`p2p_time`          virtual time: `await p2p_time.travel(3600)`
`p2p_seed`          the number that all chance of a simulated network comes from
`p2p_leaks`         fails the test if it leaves something behind; `p2p_network` and `p2p_hosts` bring it along
==================  =============================================================================================

A test with `p2p_network`, `p2p_time` or `p2p_seed` runs once for each seed: 0 unless `--p2p-seed` or `--p2p-seeds` say
otherwise. With `p2p_network` or `p2p_time` it runs in virtual time, on asyncio, or on what the ini option
`p2p_backends` names, whatever event loops other tests run on. If it fails, the report has the command that runs it
again.
"""

import shlex
from collections.abc import AsyncGenerator, Generator
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from p2pstack.testing.fixtures import Faults, Hosts, Networks, TimeTravel
    from p2pstack.testing.leaks import LeakCheck

__all__ = [
    "p2p_faults",
    "p2p_hosts",
    "p2p_leaks",
    "p2p_network",
    "p2p_seed",
    "p2p_time",
    "p2p_virtual_time",
]

pytest.register_assert_rewrite("p2pstack.testing.conformance")

_BACKENDS = ("asyncio", "trio")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("p2pstack")
    group.addoption("--p2p-seed", type=int, metavar="N", help="run simulated networks with this seed")
    group.addoption("--p2p-seeds", type=int, metavar="COUNT", help="run simulated networks with so many seeds, from 0")
    parser.addini("p2p_backends", "event loops for virtual time: asyncio, trio, or both", "args", ["asyncio"])


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "p2p_seeds(count): run this test with so many seeds, unless --p2p-seed is given")
    config.addinivalue_line("markers", "p2p_may_leak: do not look for what this test leaves behind")


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Which seeds, and which event loops. Told by marks, which come before the parameters of fixtures."""
    names = metafunc.fixturenames
    if "p2p_virtual_time" in names and "anyio_backend" not in _parametrized(metafunc):
        loops = [_virtual(name) for name in metafunc.config.getini("p2p_backends")]
        _mark(metafunc, pytest.mark.parametrize("anyio_backend", loops))
    if "p2p_seed" in names and "p2p_seed" not in _parametrized(metafunc):
        seeds = _seeds(metafunc)
        _mark(metafunc, pytest.mark.parametrize("p2p_seed", seeds, ids=[f"seed={seed}" for seed in seeds]))


def _mark(metafunc: pytest.Metafunc, mark: pytest.MarkDecorator) -> None:
    metafunc.definition.add_marker(mark)


def _parametrized(metafunc: pytest.Metafunc) -> set[str]:
    """The names that a test has parameters for already."""
    found: set[str] = set()
    for mark in metafunc.definition.iter_markers("parametrize"):
        names: Any = mark.args[0] if mark.args else mark.kwargs.get("argnames", ())
        found.update(name.strip() for name in (names.split(",") if isinstance(names, str) else names))
    return found


def _virtual(backend: str) -> Any:
    if backend == "asyncio":
        from p2pstack.sim.loop import VirtualTimeLoop

        return pytest.param(("asyncio", {"loop_factory": VirtualTimeLoop}), id="asyncio")
    if backend == "trio":
        from trio.testing import MockClock

        return pytest.param(("trio", {"clock": MockClock(autojump_threshold=0)}), id="trio")
    raise pytest.UsageError(f"p2p_backends: expected some of {', '.join(_BACKENDS)}, got {backend!r}")


def _seeds(metafunc: pytest.Metafunc) -> list[int]:
    config = metafunc.config
    one, many = config.getoption("--p2p-seed"), config.getoption("--p2p-seeds")
    if one is not None:
        return [one]
    mark = metafunc.definition.get_closest_marker("p2p_seeds")
    return list(range(many or (mark.args[0] if mark else 1)))


# --- what went wrong, and how to see it again


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    values: dict[str, Any] = getattr(item, "funcargs", {})
    if report.failed and "p2p_seed" in values:
        seed = values["p2p_seed"]
        again = shlex.join(["python", "-m", "pytest", item.nodeid, "--p2p-seed", str(seed)])
        lines = [f"seed {seed}; to see the same again:", f"  {again}"]
        networks: Networks | None = values.get("p2p_network")
        lines += [f"trace hash {net.trace.hash}" for net in (networks.made if networks else ())]
        report.sections.append(("p2pstack", "\n".join(lines)))
    return report


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """A network that fails ends the test, which then says why."""
    test: Any = pyfuncitem.obj
    networks: Any = pyfuncitem.funcargs.get("p2p_network")
    if networks is None or not iscoroutinefunction(test):
        return (yield)
    pyfuncitem.obj = networks.guard(test)
    try:
        return (yield)
    finally:
        pyfuncitem.obj = test


# --- fixtures


@pytest.fixture
def p2p_seed() -> int:
    """The seed of this run of the test. Overridden by the test's parameters; the fixture is its place."""
    return 0


@pytest.fixture
def p2p_virtual_time(anyio_backend: Any, p2p_seed: int) -> Generator[None]:
    """Has the test run in virtual time."""
    if anyio_backend[0] != "trio":
        yield
        return
    from p2pstack.sim.trio_backend import trio_options

    with trio_options(seed=p2p_seed, start=0.0):
        yield


@pytest.fixture
async def p2p_leaks(anyio_backend: Any, request: pytest.FixtureRequest) -> "AsyncGenerator[LeakCheck]":
    """What was there before the test. At its end the test fails if there is more."""
    from p2pstack.testing.leaks import LeakCheck

    check = LeakCheck()
    yield check
    if request.node.get_closest_marker("p2p_may_leak") is None:
        await check.check()


@pytest.fixture
async def p2p_network(
    anyio_backend: Any, p2p_virtual_time: None, p2p_leaks: "LeakCheck", p2p_seed: int
) -> "AsyncGenerator[Networks]":
    """Makes simulated networks: `net = await p2p_network(nodes=100, latency="20ms±5ms", loss=0.01)`."""
    from p2pstack.testing.fixtures import Networks

    async with Networks(p2p_seed) as networks:
        yield networks


@pytest.fixture
async def p2p_hosts(anyio_backend: Any, p2p_leaks: "LeakCheck") -> "AsyncGenerator[Hosts]":
    """Makes hosts that reach each other in memory: `one, other = await p2p_hosts(2)`."""
    from p2pstack.testing.fixtures import Hosts

    async with Hosts() as hosts:
        yield hosts


@pytest.fixture
def p2p_faults() -> "Faults":
    """Makes connections go wrong: `await p2p_hosts(2, wrap=p2p_faults.wrap)`."""
    from p2pstack.testing.fixtures import Faults

    return Faults()


@pytest.fixture
def p2p_time(anyio_backend: Any, p2p_virtual_time: None) -> "TimeTravel":
    """Virtual time: `await p2p_time.travel(3600)`."""
    from p2pstack.testing.fixtures import TimeTravel

    return TimeTravel()
