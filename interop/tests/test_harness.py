"""The apps for the ecosystem's interop harness: processes, as in its containers, that meet at a real Redis."""

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from os import environ
from pathlib import Path
from statistics import quantiles
from subprocess import DEVNULL
from typing import Any

import anyio
import pytest
from anyio.abc import Process
from ifaddr import get_adapters
from redis import ConnectionError as RedisUnreachable
from redis import Redis

from p2pstack import Host, Stream

APPS = Path(__file__).parents[1] / "harness"
KEY = "0badcafe_listener_multiaddr"
DEADLINE = 60
MIB = 1 << 20

#: What the harness's scripts look for in the log of a dialer.
RESULT = r"dialer.*\| ((?:latency|upload|download):|  (?:handshake_plus_one_rtt|ping_rtt|unit|{fields}):.*)"
FIELDS = ("iterations", "min", "q1", "median", "q3", "max", "outliers", "samples", "unit")

each_backend = pytest.mark.parametrize("backend", ["asyncio", "uvloop", "trio"])


@pytest.fixture
def anyio_backend() -> str:
    """The apps run on their own event loops: that of the test does not matter."""
    return "asyncio"


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    """A server without persistence."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("no redis-server on this machine")
    for _ in range(5):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        words = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
        with subprocess.Popen(words, stdout=DEVNULL) as server, Redis(port=port, decode_responses=True) as client:
            try:
                if answers(client, server):
                    yield client
                    return
            finally:
                server.kill()
    pytest.fail("redis-server does not start")


def answers(client: Redis, server: subprocess.Popen[bytes]) -> bool:
    """Whether the server is there; it ends at once where somebody else took its port meanwhile."""
    deadline = time.monotonic() + 10
    while server.poll() is None and time.monotonic() < deadline:
        try:
            return bool(client.ping())
        except RedisUnreachable:
            time.sleep(0.01)
    return False


def modern(redis: Redis, **more: object) -> dict[str, str]:
    """The environment that the harness gives to both ends."""
    return {
        "REDIS_ADDR": f"127.0.0.1:{redis.connection_pool.connection_kwargs['port']}",
        "TEST_KEY": KEY.partition("_")[0],
        "TRANSPORT": "tcp",
        "SECURE_CHANNEL": "noise",
        "MUXER": "yamux",
        "LISTENER_IP": "127.0.0.1",
        "DEBUG": "false",
    } | {name: str(value) for name, value in more.items()}


def legacy(redis: Redis) -> dict[str, str]:
    """The environment as it was before."""
    return {
        "redis_addr": f"127.0.0.1:{redis.connection_pool.connection_kwargs['port']}",
        "transport": "tcp",
        "security": "noise",
        "muxer": "yamux",
        "ip": "127.0.0.1",
    }


def words(app: str, backend: str, *options: str) -> list[str]:
    return [sys.executable, str(APPS / f"{app}.py"), "--backend", backend, *options]


def role(environment: dict[str, str], *, dialer: bool) -> dict[str, str]:
    name = "is_dialer" if "redis_addr" in environment else "IS_DIALER"
    return {"PATH": environ["PATH"], **environment, name: str(dialer).lower()}


@asynccontextmanager
async def listening(
    app: str, environment: dict[str, str], *options: str, backend: str = "asyncio"
) -> AsyncGenerator[Process]:
    """An app in the listener's role. It has to last until it is told to end."""
    process = await anyio.open_process(
        words(app, backend, *options), env=role(environment, dialer=False), stdin=DEVNULL, stderr=None
    )
    async with process:
        try:
            yield process
            assert process.returncode is None, "the listener ended first"
            process.send_signal(signal.SIGTERM)
            with anyio.fail_after(DEADLINE):
                assert await process.wait() == 0
        finally:
            if process.returncode is None:
                process.kill()


async def dial(
    app: str, environment: dict[str, str], *options: str, backend: str = "asyncio"
) -> subprocess.CompletedProcess[bytes]:
    """Run an app in the dialer's role to its end."""
    with anyio.fail_after(DEADLINE):
        done = await anyio.run_process(
            words(app, backend, *options), env=role(environment, dialer=True), stdin=DEVNULL, check=False
        )
    sys.stderr.write(done.stderr.decode())
    return done


async def left_in_list(redis: Redis) -> str:
    """The address that a listener leaves, taken by the test itself."""
    await until(lambda: redis.type(KEY) == "list")
    return str(redis.lpop(KEY))


async def left_in_string(redis: Redis) -> str:
    await until(lambda: redis.exists(KEY))
    return str(redis.get(KEY))


async def until(condition: Callable[[], object]) -> None:
    """Wait for something that nobody tells."""
    with anyio.fail_after(DEADLINE):
        while not condition():  # noqa: ASYNC110
            await anyio.sleep(0.05)


def found_by_harness(done: subprocess.CompletedProcess[bytes], *fields: str) -> list[str]:
    """The lines that the harness finds in a dialer's log, which docker compose makes of stdout and stderr."""
    assert done.returncode == 0
    log = [f"dialer-1  | {line}" for line in (done.stderr + done.stdout).decode().splitlines()]
    pattern = re.compile(RESULT.format(fields="|".join(fields or ("unit",))))
    return [match[1] for line in log if (match := pattern.match(line))]


def check_transport(done: subprocess.CompletedProcess[bytes]) -> None:
    lines = found_by_harness(done)
    assert lines == done.stdout.decode().splitlines()
    fields = [line.split(":") for line in lines]
    assert [name for name, _ in fields] == ["latency", "  handshake_plus_one_rtt", "  ping_rtt", "  unit"]
    assert 0 < float(fields[2][1]) < float(fields[1][1]) < DEADLINE * 1000
    assert fields[3][1] == " ms"


@each_backend
async def test_transport_finds_its_listener_and_reports_latency(redis: Redis, backend: str) -> None:
    environment = modern(redis, DEBUG="true")
    async with listening("transport", environment, backend=backend):
        check_transport(await dial("transport", environment, backend=backend))


async def test_transport_waits_for_a_listener_that_comes_later(redis: Redis) -> None:
    environment = modern(redis)
    results = []

    async def dial_early() -> None:
        results.append(await dial("transport", environment))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(dial_early)
        await until(lambda: redis.info("clients")["blocked_clients"])
        async with listening("transport", environment):
            await until(lambda: results)
    check_transport(results[0])


async def test_transport_replaces_what_an_earlier_test_left(redis: Redis) -> None:
    redis.set(KEY, "/ip4/192.0.2.1/tcp/1")
    async with listening("transport", modern(redis)):
        assert (await left_in_list(redis)).startswith("/ip4/127.0.0.1/")


async def test_transport_speaks_the_older_form(redis: Redis) -> None:
    environment = legacy(redis)
    async with listening("transport", environment):
        done = await dial("transport", environment)
    assert done.returncode == 0
    [line] = done.stdout.decode().splitlines()
    times = json.loads(line)
    assert set(times) == {"handshakePlusOneRTTMillis", "pingRTTMilllis"}
    assert 0 < times["pingRTTMilllis"] < times["handshakePlusOneRTTMillis"]


async def test_a_listener_leaves_an_address_that_others_can_reach(redis: Redis) -> None:
    here = {ip.ip for adapter in get_adapters() for ip in adapter.ips if ip.is_IPv4}
    reachable = {ip for ip in here if not str(ip).startswith("127.")}
    async with listening("transport", modern(redis, LISTENER_IP="0.0.0.0")):
        address = (await left_in_list(redis)).split("/")
    assert address[2] in (reachable or here)
    assert address[5] == "p2p"


async def test_transport_dials_every_implementation(redis: Redis, listener: Any) -> None:
    redis.rpush(KEY, listener.addr)
    check_transport(await dial("transport", modern(redis)))


async def test_every_implementation_pings_the_listener_of_transport(redis: Redis, peer: Any) -> None:
    async with listening("transport", modern(redis)):
        lines = await peer.run("ping", await left_in_list(redis), "--count", 3)
    assert len(lines) == 3


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"TRANSPORT": "quic-v1", "MUXER": ""}, "no transport quic-v1, but tcp"),
        ({"SECURE_CHANNEL": "tls"}, "no secure channel tls, but noise"),
        ({"MUXER": "mplex"}, "no muxer mplex, but yamux"),
        ({"REDIS_ADDR": "localhost"}, "expected host:port"),
        ({"TEST_KEY": ""}, "TEST_KEY is not set"),
        ({"DEBUG": "perhaps"}, "expected true or false"),
    ],
)
async def test_what_cannot_be_done_is_said_in_one_line(redis: Redis, wrong: dict[str, str], said: str) -> None:
    done = await dial("transport", modern(redis) | wrong)
    assert done.returncode == 1
    assert not done.stdout
    [line] = done.stderr.decode().splitlines()
    assert line.startswith("error: ")
    assert said in line


async def test_a_dialer_gives_up_where_nobody_listens(redis: Redis) -> None:
    done = await dial("transport", modern(redis, TEST_TIMEOUT_SECS=1))
    assert done.returncode == 1
    assert b"no listener left its address" in done.stderr


#: What the harness tells the dialer of perf beside the rest, but much less.
AMOUNTS = {
    "UPLOAD_BYTES": 8 * MIB,
    "DOWNLOAD_BYTES": 8 * MIB + 1,
    "UPLOAD_ITERATIONS": 3,
    "DOWNLOAD_ITERATIONS": 4,
    "LATENCY_ITERATIONS": 25,
    "DURATION": 20,
}


def check_perf(done: subprocess.CompletedProcess[bytes]) -> None:
    lines = found_by_harness(done, *FIELDS)
    assert lines == done.stdout.decode().splitlines()
    assert lines[:: len(FIELDS) + 1] == ["upload:", "download:", "latency:"]
    for start, iterations, unit, digits in ((1, 3, "Gbps", 2), (11, 4, "Gbps", 2), (21, 25, "ms", 3)):
        fields = dict(line[2:].split(": ") for line in lines[start : start + len(FIELDS)])
        assert tuple(fields) == FIELDS
        assert int(fields["iterations"]) == iterations
        assert fields["unit"] == unit
        samples, outliers = json.loads(fields["samples"]), json.loads(fields["outliers"])
        assert len(samples) == iterations
        assert samples == sorted(samples)
        assert samples[0] > 0
        assert re.fullmatch(rf"\d+\.\d{{{digits}}}", fields["median"])
        # All were rounded before they were printed.
        about = 2 * 10**-digits
        for name, value in zip(("q1", "median", "q3"), quantiles(samples, n=4, method="inclusive"), strict=True):
            assert float(fields[name]) == pytest.approx(value, abs=about)
        reach = 1.5 * (float(fields["q3"]) - float(fields["q1"]))
        inside = [value for value in samples if value not in outliers]
        assert float(fields["min"]) == inside[0] >= float(fields["q1"]) - reach - 4 * about
        assert float(fields["max"]) == inside[-1] <= float(fields["q3"]) + reach + 4 * about


@each_backend
@pytest.mark.parametrize("header", ["8", "16"])
async def test_perf_finds_its_listener_and_reports_box_plots(redis: Redis, backend: str, header: str) -> None:
    environment = modern(redis, **AMOUNTS, DEBUG="true")
    async with listening("perf", environment, "--header-bytes", header, backend=backend):
        check_perf(await dial("perf", environment, "--header-bytes", header, backend=backend))


async def test_perf_measures_every_implementation(redis: Redis, listener: Any) -> None:
    redis.set(KEY, listener.addr)
    check_perf(await dial("perf", modern(redis, **AMOUNTS)))


async def test_every_implementation_measures_the_listener_of_perf(redis: Redis, peer: Any) -> None:
    async with listening("perf", modern(redis)):
        lines = await peer.run("perf", await left_in_string(redis), "--upload-bytes", 8 * MIB, "--iterations", 2)
    assert len(lines) == 2


async def test_the_long_form_of_perf_begins_with_both_amounts(redis: Redis) -> None:
    headers = set()

    async def answer(stream: Stream) -> None:
        sent = b"".join([chunk async for chunk in stream])
        headers.add((sent[:16].hex(), len(sent)))
        await stream.send(bytes(int.from_bytes(sent[8:16])))

    host = Host(listen=["/ip4/127.0.0.1/tcp/0"])
    host.handle("/perf/1.0.0", handler=answer)
    async with host:
        redis.set(KEY, str(host.addrs[0]))
        environment = modern(redis, **(AMOUNTS | {"UPLOAD_BYTES": 1000, "DOWNLOAD_BYTES": 300}))
        done = await dial("perf", environment, "--header-bytes", "16")
    assert done.returncode == 0
    assert headers == {
        ("00000000000003e80000000000000000", 1016),
        ("0000000000000000000000000000012c", 16),
        ("00000000000000010000000000000001", 17),
    }
