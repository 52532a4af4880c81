"""The plugin gives fixtures, seeds and virtual time to tests, and says how to see again what failed."""

import sys

import pytest

pytest_plugins = ["pytester"]


@pytest.fixture(autouse=True)
def compiled_once(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Wherever code is not kept compiled, each of these would compile all there is."""
    if sys.dont_write_bytecode:
        monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path_factory.getbasetemp() / "compiled"))
        monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)


def run(pytester: pytest.Pytester, text: str, *options: str) -> pytest.RunResult:
    pytester.makepyfile(test_it=text)
    if not pytester.path.joinpath("tox.ini").exists():
        pytester.makeini("[pytest]\nfilterwarnings = error\n")
    return pytester.runpytest_subprocess("-p", "no:randomly", "-p", "no:cacheprovider", *options)


VIRTUAL = """
    import socket, time
    import anyio
    import pytest

    kept = []

    async def test_an_hour(p2p_network, p2p_time, p2p_seed):
        began = time.monotonic()
        net = await p2p_network(nodes=4, latency="20ms±5ms")
        assert net.seed == p2p_seed == 0
        before = p2p_time.now
        await p2p_time.travel(3600)
        await p2p_time.settle()
        assert p2p_time.now - before >= 3600
        assert time.monotonic() - began < 60
        assert all(len(node.host.peers) == 3 for node in net.nodes)

    async def test_deadlock(p2p_time):
        await anyio.Event().wait()

    class Bad:
        async def run(self, host, *, task_status):
            task_status.started()
            await anyio.sleep(5)
            raise KeyError("the service broke")

    async def test_a_node_that_fails(p2p_network):
        await p2p_network(nodes=2, services=lambda: [Bad()])
        await anyio.sleep(1000)
        assert False, "never comes here"

    async def test_leaks(p2p_network):
        await p2p_network(nodes=2)
        kept.append(socket.socket())

    @pytest.mark.p2p_may_leak
    async def test_may_leak(p2p_network):
        await p2p_network(nodes=2)
        kept.append(socket.socket())

    def test_end():
        for sock in kept:
            sock.close()
"""


def test_virtual_time_needs_no_mark_and_what_goes_wrong_in_it_is_told(pytester: pytest.Pytester) -> None:
    result = run(pytester, VIRTUAL)
    result.assert_outcomes(passed=4, failed=2, errors=1)
    result.stdout.fnmatch_lines_random(
        [
            "*Deadlock: nothing is left to happen at 0 s*",
            "*KeyError: 'the service broke'*",
            "*Leaked: 1 thing(s) left behind*",
            "*socket: *AF_INET*",
            "ERROR test_it.py::test_leaks*",
        ]
    )
    result.stdout.no_fnmatch_line("*never comes here*")


def test_it_runs_on_the_event_loops_that_are_named(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\np2p_backends = asyncio trio\n")
    text = """
        async def test_it(p2p_time, anyio_backend_name):
            await p2p_time.travel(100)
            print(f"on {anyio_backend_name}")
    """
    result = run(pytester, text, "-s", "-v")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*asyncio-seed=0*on asyncio*", "*trio-seed=0*on trio*"])
    pytester.makeini("[pytest]\np2p_backends = curio\n")
    run(pytester, text).stdout.fnmatch_lines(["*p2p_backends: expected some of asyncio, trio, got 'curio'*"])


FAILING = """
    import pytest

    async def test_it(p2p_network, p2p_seed):
        net = await p2p_network(nodes=2)
        assert p2p_seed != 2, "seed 2 is a bad one"
"""


def test_a_failure_names_its_seed_and_the_command_that_shows_it_again(pytester: pytest.Pytester) -> None:
    result = run(pytester, FAILING, "--p2p-seeds", "4")
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(
        ["*seed 2; to see the same again:", "*python -m pytest 'test_it.py::test_it[[]asyncio-seed=2]' --p2p-seed 2"]
    )
    (first,) = [line for line in result.outlines if line.startswith("trace hash ")]
    again = run(pytester, FAILING, "test_it.py::test_it[asyncio-seed=2]", "--p2p-seed", "2")
    again.assert_outcomes(failed=1)
    again.stdout.fnmatch_lines([first])


def test_a_test_may_ask_for_seeds_by_itself(pytester: pytest.Pytester) -> None:
    text = """
        import pytest

        @pytest.mark.p2p_seeds(3)
        async def test_seeds(p2p_network):
            await p2p_network(nodes=2)

        @pytest.mark.parametrize("p2p_seed", [7])
        async def test_its_own(p2p_network, p2p_seed):
            assert (await p2p_network(nodes=2)).seed == 7
            assert (await p2p_network(nodes=2, seed=8)).seed == 8
    """
    run(pytester, text).assert_outcomes(passed=4)
    run(pytester, text, "--p2p-seed", "5").assert_outcomes(passed=2)


def test_hosts_and_faults_do_without_virtual_time(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        import pytest
        from p2pstack import DialError
        from p2pstack.testing import Fault, FaultKind

        pytestmark = pytest.mark.anyio

        async def test_it(p2p_hosts, p2p_faults):
            (server,) = await p2p_hosts(1)
            (client,) = await p2p_hosts(1, wrap=p2p_faults.wrap)
            p2p_faults.next(Fault(FaultKind.CUT, 30))
            with pytest.raises(DialError):
                await client.connect(server.addrs[0])
            connection = await client.connect(server.addrs[0])
            assert connection.remote_peer == server.peer_id
            assert [len(stream.struck) for stream in p2p_faults.streams] == [1, 0]

        async def test_none(p2p_hosts):
            with pytest.raises(ValueError, match="at least one host"):
                await p2p_hosts(0)
        """,
    )
    result.assert_outcomes(passed=4)  # on asyncio and on trio


def test_without_pytest_nothing_of_it_is_needed(pytester: pytest.Pytester) -> None:
    program = (
        "import sys; sys.modules['pytest'] = sys.modules['_pytest'] = None\n"
        "import p2pstack.testing as testing\n"
        "from p2pstack.testing import conformance\n"
        "print(len([getattr(testing, name) for name in testing._HOME_OF]))\n"
    )
    result = pytester.run(sys.executable, "-c", program)
    assert not result.ret, result.stderr.str()
    assert int(result.stdout.str()) > 15
