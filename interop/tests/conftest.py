"""The peers: built once, run as processes, and always ended.

Our own side of a test is a `Host` in the test's own process, on asyncio and on trio.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from select import select
from subprocess import DEVNULL, PIPE
from typing import IO, Any

import anyio
import pytest

PEERS = Path(__file__).parents[1] / "peers"
FOREIGN = ("go", "rust", "js", "py")
MISSING = 77
CANNOT = 3

#: What a library lacks, seen with the versions that the peers are built with.
NO_KEYS = {
    ("js", "ecdsa"): "js-libp2p makes no peer id from an ECDSA key",
    ("py", "ecdsa"): "py-libp2p has no ECDSA keys that fit libp2p, neither to make nor to read",
}

#: Seconds. `make interop` may take 15 minutes from nothing, of which the tests need a third.
BUILD_DEADLINE = 600
LISTEN_DEADLINE = 30
#: What a command may take in all: the slowest one takes 20 s on an idle machine with 2 cores.
RUN_DEADLINE = 120
TEST_DEADLINE = 150


class PeerFailed(Exception):
    """A peer did not do what it was asked to do."""


class PeerCannot(Exception):
    """The library that a peer is made with lacks something."""


@dataclass(frozen=True)
class Peer:
    """A program that does what interop/peers/README.md says."""

    name: str
    program: Sequence[str]

    def words(self, *words: object, key: str) -> list[str]:
        return [*self.program, *map(str, words), "--key", key]

    async def run(self, command: str, address: object, *options: object, key: str = "ed25519") -> list[dict[str, Any]]:
        """Run a client command to its end and return the lines it prints."""
        words = self.words(command, address, *options, key=key)
        with anyio.fail_after(RUN_DEADLINE):
            done = await anyio.run_process(words, stdin=DEVNULL, check=False)
        check(done.returncode, f"{self.name} {command}", done.stderr.decode())
        return [json.loads(line) for line in done.stdout.splitlines()]

    @asynccontextmanager
    async def idling(self, address: object, *, key: str = "ed25519") -> AsyncGenerator[None]:
        """One connection, kept open and left alone."""
        words = self.words("idle", address, "--count", 1, key=key)
        async with await anyio.open_process(words, stderr=DEVNULL) as process:
            assert process.stdout
            try:
                with anyio.fail_after(RUN_DEADLINE):
                    line = await anext(aiter(process.stdout), b"")
                    if not line:
                        check(await process.wait(), f"{self.name} idle", "")
                yield
            finally:
                with suppress(ProcessLookupError):
                    process.kill()


@dataclass(frozen=True)
class Listener:
    """A peer that listens."""

    peer: Peer
    process: subprocess.Popen[str]
    log: Path
    peer_id: str
    addr: str

    @property
    def running(self) -> bool:
        return self.process.poll() is None


def check(code: int, what: str, log: str) -> None:
    """Raise where a peer's exit code says so; its log is in the test's captured stderr."""
    sys.stderr.write(log)
    reason = log.strip().rpartition("\n")[2] or f"exit code {code}"
    if code == CANNOT:
        raise PeerCannot(reason)
    if code:
        raise PeerFailed(f"{what}: {reason}")


@pytest.fixture(
    params=[pytest.param(("asyncio", {"use_uvloop": False}), id="asyncio"), pytest.param(("trio", {}), id="trio")]
)
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


def pytest_configure(config: pytest.Config) -> None:
    # What was skipped or is expected to fail is listed with its reason.
    config.option.reportchars += "sx"


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    # Building the peers has a deadline of its own.
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(TEST_DEADLINE, func_only=True))


@dataclass(frozen=True)
class Build:
    """A build on its way, or done."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def result(self) -> Peer:
        """
        :raises PeerCannot: the toolchain is missing
        """
        code = self.process.wait(BUILD_DEADLINE)
        log = self.log.read_text()
        if code == MISSING:
            raise PeerCannot(log.strip().rpartition("\n")[2])
        if code:
            raise PeerFailed(f"{self.name} could not be built:\n{log}")
        return Peer(self.name, [str(cache() / self.name / "peer")])

    def stop(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)


@pytest.fixture(scope="session")
def builds(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Build]]:
    """The builds of the peers that the tests to be run need. All at once, as two download while two compile."""
    wanted = {name for item in request.session.items for name in peers_of(item)}
    logs = tmp_path_factory.mktemp("builds")
    with ExitStack() as stack:
        builds = {name: start_build(name, logs / f"{name}.log", stack) for name in FOREIGN if name in wanted}
        yield builds
        for build in builds.values():
            build.stop()


def peers_of(item: pytest.Item) -> Sequence[str]:
    """The peers that a test needs: the one it is about, or all."""
    callspec: Any = getattr(item, "callspec", None)
    if callspec is not None and "peer" in callspec.params:
        return [callspec.params["peer"]]
    return [*FOREIGN, "p2pstack"] if "programs" in getattr(item, "fixturenames", ()) else []


def start_build(name: str, log: Path, stack: ExitStack) -> Build:
    with log.open("w") as output:
        words = ["sh", str(PEERS / "build.sh"), name]
        process = subprocess.Popen(words, stdin=DEVNULL, stdout=output, stderr=output, start_new_session=True)
    return Build(name, stack.enter_context(process), log)


def cache() -> Path:
    """Where build.sh puts what it builds."""
    if given := os.environ.get("P2PSTACK_INTEROP_CACHE"):
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "p2pstack", "interop")


@pytest.fixture(params=[*FOREIGN, "p2pstack"])
def peer(request: pytest.FixtureRequest, builds: Mapping[str, Build]) -> Peer:
    """Each of the other implementations, and the peer made with this one, which the benchmarks set beside them."""
    return built(request.param, builds)


@pytest.fixture
def programs(request: pytest.FixtureRequest, builds: Mapping[str, Build]) -> Mapping[str, Sequence[str]]:
    """The programs of the peers that a test needs, by their names."""
    return {name: built(name, builds).program for name in peers_of(request.node)}


def built(name: str, builds: Mapping[str, Build]) -> Peer:
    if name == "p2pstack":
        return Peer("p2pstack", [sys.executable, str(PEERS / "p2pstack" / "peer.py")])
    try:
        return builds[name].result()
    except PeerCannot as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def listeners() -> Iterator[tuple[dict[tuple[str, str], Listener], ExitStack]]:
    with ExitStack() as stack:
        yield {}, stack


@pytest.fixture
def listen(
    peer: Peer,
    listeners: tuple[dict[tuple[str, str], Listener], ExitStack],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., Listener]]:
    """Calls for a listening peer with a key of some type; it is kept for the tests that come after."""
    running, stack = listeners
    used: list[tuple[Listener, int]] = []

    def listen(key: str = "ed25519") -> Listener:
        listener = running.get((peer.name, key))
        if listener is None or not listener.running:
            log = tmp_path_factory.mktemp("logs") / f"{peer.name}-{key}.log"
            listener = running[peer.name, key] = start(peer, key, log, stack)
        used.append((listener, listener.log.stat().st_size))
        return listener

    yield listen
    for listener, start_of_log in used:
        with listener.log.open() as log:
            log.seek(start_of_log)
            sys.stderr.write(log.read())
        assert listener.running, f"the {peer.name} listener ended with {listener.process.returncode}"


def start(peer: Peer, key: str, log: Path, stack: ExitStack) -> Listener:
    with log.open("w") as stderr:
        process = stack.enter_context(
            subprocess.Popen(peer.words("listen", key=key), stdin=PIPE, stdout=PIPE, stderr=stderr, text=True)
        )
    stack.callback(process.kill)
    assert process.stdout
    line = read_line(process.stdout)
    if not line:
        check(process.wait(LISTEN_DEADLINE), f"{peer.name} listen", log.read_text())
    listening = json.loads(line)
    return Listener(peer, process, log, listening["peer_id"], listening["addrs"][0])


def read_line(source: IO[str]) -> str:
    readable, _, _ = select([source], [], [], LISTEN_DEADLINE)
    if not readable:
        raise PeerFailed(f"nothing was printed for {LISTEN_DEADLINE} s")
    return source.readline()


@pytest.fixture
def expect_key(request: pytest.FixtureRequest, peer: Peer) -> Callable[[str], None]:
    """Declares that a test is about keys of some type: where the library has none, the peer has to say so."""

    def expect_key(key: str) -> None:
        if reason := NO_KEYS.get((peer.name, key)):
            request.applymarker(pytest.mark.xfail(raises=PeerCannot, reason=reason, strict=True))

    return expect_key


@pytest.fixture
def listener(listen: Callable[..., Listener]) -> Listener:
    """A listening peer."""
    return listen()
