"""The commands of the contract."""

import json
import os
import signal
import sys
from argparse import Namespace
from collections.abc import AsyncGenerator, Iterator
from statistics import median
from time import perf_counter

import anyio
from exchanges import Failure, exchange_echo, exchange_hash, open_stream
from hosts import PATIENCE, connected, dialler, fresh_diallers, listener, new_identify
from pubsub_node import running_node

from p2pstack import Host, NegotiationError, P2PError, PeerIdMismatch, PrivateKey, Stream
from p2pstack import perf as exchange_perf
from p2pstack import ping as pings
from p2pstack.identity.address import split_peer, with_peer
from p2pstack.protocols.echo import ECHO
from p2pstack.protocols.perf import PERF
from p2pstack.protocols.perf.messages import encode_header

__all__ = ["COMMANDS", "report", "stdin_ended"]

ONE_BYTE_EACH_WAY = encode_header(1) + b"\0"


def report(**values: object) -> None:
    print(json.dumps(values), flush=True)


async def listen(options: Namespace) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        host = listener(options.key, options.listen, chunk=options.chunk)
        async with host, anyio.create_task_group() as tasks:
            report(event="listening", peer_id=str(host.peer_id), addrs=[str(addr) for addr in host.addrs])

            async def wait_for_signal() -> None:
                await anext(signals)
                tasks.cancel_scope.cancel()

            tasks.start_soon(wait_for_signal)
            await stdin_ended()
            tasks.cancel_scope.cancel()


async def stdin_ended() -> None:
    async for _ in stdin_lines():
        pass


async def stdin_lines() -> AsyncGenerator[bytes]:
    rest = b""
    try:
        while True:
            await anyio.wait_readable(sys.stdin)
            chunk = os.read(sys.stdin.fileno(), 1 << 16)
            if not chunk:
                return
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield line
    except PermissionError:  # a file, or /dev/null: nobody can wait for it, and it has ended
        return


async def pubsub(options: Namespace) -> None:
    key = PrivateKey.generate(options.key)
    config = json.loads(options.config)
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with (
            running_node(config, lambda line: report(**line), key=key, listen=options.listen) as node,
            anyio.create_task_group() as tasks,
        ):
            report(event="listening", peer_id=node.peer_id, addrs=node.addrs)

            async def wait_for_signal() -> None:
                await anext(signals)
                tasks.cancel_scope.cancel()

            tasks.start_soon(wait_for_signal)
            async for line in stdin_lines():
                request = json.loads(line)
                try:
                    report(event="done", do=request["do"], **await node.execute(request))
                except (P2PError, OSError, ValueError, TimeoutError) as error:
                    report(event="failed", do=request["do"], error=f"{type(error).__name__}: {error}")
            tasks.cancel_scope.cancel()


async def ping(options: Namespace) -> None:
    async with connected(options.key, options.target) as (host, connection):
        async for rtt in pings(host, connection, count=options.count, interval=0, timeout=PATIENCE):
            report(rtt_ms=rtt * 1000)


async def identify(options: Namespace) -> None:
    identify = new_identify()
    async with dialler(options.key, identify) as host:
        with anyio.fail_after(PATIENCE):
            connection = await host.connect(options.target)
            told = await identify.wait(connection)
        report(
            peer_id=str(told.peer),
            agent_version=told.agent_version,
            protocol_version=told.protocol_version,
            protocols=told.protocols,
            listen_addrs=[str(addr) for addr in told.listen_addrs],
            observed_addr=told.observed_addr and str(told.observed_addr),
            key_type=connection.remote_public_key.type.name.lower(),
        )


async def echo(options: Namespace) -> None:
    async with connected(options.key, options.target) as (_, connection):
        sent, received = await exchange_echo(await open_stream(connection, ECHO), options.bytes)
    report(bytes=options.bytes, sent_sha256=sent.hex(), received_sha256=received.hex())
    if sent != received:
        raise Failure("other bytes came back than were sent")


async def half_close(options: Namespace) -> None:
    async with connected(options.key, options.target) as (_, connection):
        await exchange_hash(connection, options.bytes)
    report(bytes=options.bytes, ok=True)


async def streams(options: Namespace) -> None:
    ok = 0

    async def use(stream: Stream) -> None:
        nonlocal ok
        sent, received = await exchange_echo(stream, options.bytes)
        ok += sent == received

    async with connected(options.key, options.target) as (_, connection):
        opened = [await open_stream(connection, ECHO) for _ in range(options.count)]
        async with anyio.create_task_group() as tasks:
            for stream in opened:
                tasks.start_soon(use, stream)
    report_count(options.count, ok)


async def short_streams(options: Namespace) -> None:
    async with connected(options.key, options.target) as (_, connection):
        for _ in range(options.count):
            await exchange_hash(connection, options.bytes)
    report_count(options.count, options.count)


def report_count(count: int, ok: int) -> None:
    report(count=count, ok=ok)
    if ok != count:
        raise Failure(f"{count - ok} of {count} streams failed")


async def perf(options: Namespace) -> None:
    upload = options.upload_bytes
    download = upload if options.download_bytes is None else options.download_bytes
    async with connected(options.key, options.target) as (host, connection):
        for _ in range(options.iterations):
            start = perf_counter()
            await exchange_perf(host, connection, upload_bytes=upload, chunk_size=options.chunk)
            middle = perf_counter()
            await exchange_perf(host, connection, download_bytes=download, chunk_size=options.chunk)
            end = perf_counter()
            report(upload_bytes_per_s=upload / (middle - start), download_bytes_per_s=download / (end - middle))


async def latency(options: Namespace) -> None:
    times: list[float] = []
    async with connected(options.key, options.target) as (host, connection):
        for _ in range(options.count):
            with anyio.fail_after(PATIENCE):
                start = perf_counter()
                async with await connection.open_stream(PERF) as stream:
                    await stream.send(ONE_BYTE_EACH_WAY)
                    await stream.send_eof()
                    await stream.receive(1)
                    times.append(perf_counter() - start)
        rtts = [rtt async for rtt in pings(host, connection, count=options.count, interval=0, timeout=PATIENCE)]
    report(stream_ms=median(times) * 1000, ping_ms=median(rtts) * 1000)


async def connect(options: Namespace) -> None:
    times: list[float] = []

    async def work(waiting: Iterator[Host]) -> None:
        for host in waiting:
            with anyio.fail_after(PATIENCE):
                start = perf_counter()
                connection = await host.connect(options.target)
                times.append(perf_counter() - start)
                await connection.aclose()

    async with fresh_diallers(options.key, options.count) as hosts:
        waiting = iter(hosts)
        start = perf_counter()
        async with anyio.create_task_group() as tasks:
            for _ in range(options.parallel):
                tasks.start_soon(work, waiting)
        total = perf_counter() - start
    report(connect_ms=median(times) * 1000, per_second=options.count / total)


async def wrong_peer_id(options: Namespace) -> None:
    address, _ = split_peer(options.target)
    async with dialler(options.key) as host:
        try:
            with anyio.fail_after(PATIENCE):
                await host.connect(with_peer(address, PrivateKey.generate().peer_id))
        except PeerIdMismatch as error:
            report(refused=True, error=str(error))
        else:
            raise Failure("a connection to the wrong peer was accepted")


async def unknown_protocol(options: Namespace) -> None:
    async with connected(options.key, options.target) as (host, connection):
        try:
            await open_stream(connection, "/does-not-exist/1.0.0")
        except NegotiationError:
            async for rtt in pings(host, connection, count=1, timeout=PATIENCE):
                report(refused=True, ping_ms=rtt * 1000)
        else:
            raise Failure("a protocol that does not exist was accepted")


COMMANDS = {
    "listen": listen,
    "pubsub": pubsub,
    "ping": ping,
    "identify": identify,
    "echo": echo,
    "half-close": half_close,
    "streams": streams,
    "short-streams": short_streams,
    "perf": perf,
    "latency": latency,
    "connect": connect,
    "wrong-peer-id": wrong_peer_id,
    "unknown-protocol": unknown_protocol,
}
