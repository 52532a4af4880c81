"""What the peer made with this stack does on each event loop, beyond the tests in which it is one peer among others."""

import json
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import DEVNULL, PIPE

import pytest

PROGRAM = [sys.executable, str(Path(__file__).parents[1] / "peers" / "p2pstack" / "peer.py")]
DEADLINE = 60


@pytest.fixture(params=["asyncio", "uvloop", "trio"])
def backend(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def address(backend: str) -> Iterator[str]:
    with started("listen", "--backend", backend) as process:
        assert process.stdout
        yield json.loads(process.stdout.readline())["addrs"][0]


@contextmanager
def started(*words: str) -> Generator["subprocess.Popen[str]"]:
    with subprocess.Popen([*PROGRAM, *words], stdin=PIPE, stdout=PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def run(*words: str) -> "subprocess.CompletedProcess[str]":
    words = (*PROGRAM, *words)
    return subprocess.run(words, stdin=DEVNULL, capture_output=True, text=True, timeout=DEADLINE, check=False)


@pytest.mark.parametrize(
    ("words", "figures"),
    [
        ("ping --count 2", {"rtt_ms"}),
        ("perf --upload-bytes 5000000 --chunk 1000", {"upload_bytes_per_s", "download_bytes_per_s"}),
        ("latency --count 10", {"stream_ms", "ping_ms"}),
        ("connect --count 5", {"connect_ms", "per_second"}),
        ("connect --count 10 --parallel 4", {"connect_ms", "per_second"}),
        ("loaded-ping --count 10", {"ping_ms", "p99_ms", "bytes_per_s"}),
        ("fan --count 16 --bytes 100000", {"first_s", "last_s", "bytes_per_s"}),
    ],
)
def test_measures(address: str, backend: str, words: str, figures: set[str]) -> None:
    command, *options = words.split()
    done = run(command, address, *options, "--backend", backend)
    assert done.returncode == 0, done.stderr
    for line in map(json.loads, done.stdout.splitlines()):
        assert set(line) == figures
        assert all(value > 0 for value in line.values())


def test_keeps_idle_connections_until_its_input_ends(address: str, backend: str) -> None:
    with started("idle", address, "--count", "10", "--backend", backend) as process:
        assert process.stdin
        assert process.stdout
        line = json.loads(process.stdout.readline())
        assert line.keys() == {"count", "tasks_per_connection", "rss_kib_per_connection"}
        assert line["count"] == 10
        assert 1 <= line["tasks_per_connection"] <= 4
        assert process.poll() is None
        process.stdin.close()
        assert process.wait(DEADLINE) == 0


@pytest.mark.parametrize("how", ["the end of its input", "a signal"])
def test_serves_until(backend: str, how: str) -> None:
    with started("listen", "--backend", backend) as process:
        assert process.stdin
        assert process.stdout
        assert json.loads(process.stdout.readline())["event"] == "listening"
        if how == "a signal":
            process.send_signal(signal.SIGTERM)
        else:
            process.stdin.close()
        assert process.wait(DEADLINE) == 0
        assert process.stdout.read() == ""


def test_says_in_one_line_why_it_failed(address: str, backend: str) -> None:
    nobody = "/".join([*address.split("/")[:4], "1", *address.split("/")[5:]])
    done = run("ping", nobody, "--backend", backend)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: DialError: ")


@pytest.mark.parametrize("words", ["", "ping", "ping nonsense", "ping /ip4/127.0.0.1/tcp/1", "listen --key dsa"])
def test_refuses_wrong_arguments(words: str) -> None:
    done = run(*words.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage: peer" in done.stderr
