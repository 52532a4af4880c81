"""The commands that dial."""

import hashlib
import json
import os
import statistics
import sys
from argparse import Namespace
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from time import perf_counter

import multiaddr
import trio
from hosts import KEY_TYPES, running_dialer
from libp2p.abc import IHost, INetStream
from libp2p.crypto import ed25519
from libp2p.crypto.serialization import deserialize_public_key
from libp2p.exceptions import MultiError
from libp2p.host.exceptions import StreamFailure
from libp2p.identity.identify.identify import ID as IDENTIFY
from libp2p.identity.identify.pb.identify_pb2 import Identify
from libp2p.network.exceptions import SwarmException
from libp2p.peer.id import ID
from libp2p.peer.peerinfo import PeerInfo, info_from_p2p_addr
from libp2p.protocol_muxer.exceptions import MultiselectClientError
from libp2p.security.noise.exceptions import PeerIDMismatchesPubkey
from libp2p.utils.varint import read_length_prefixed_protobuf
from multiaddr.exceptions import Error as MultiaddrError
from protocols import ECHO, HASH, PERF, PING
from transfer import PATIENCE, close_write, drain, read_exactly, read_some, send_random, send_zeros, write


class Failure(Exception):
    """What the command is there to find out turned out badly."""


def report(value: dict[str, object]) -> None:
    print(json.dumps(value), flush=True)


def make_key(options: Namespace):
    return KEY_TYPES[options.key]()


async def connect(host: IHost, target: PeerInfo) -> None:
    with trio.fail_after(PATIENCE):
        await host.connect(target)


@asynccontextmanager
async def connected(target: PeerInfo, options: Namespace) -> AsyncIterator[IHost]:
    async with running_dialer(make_key(options)) as host:
        await connect(host, target)
        yield host


async def open_stream(host: IHost, target: PeerInfo, protocol: str) -> INetStream:
    if not host.get_network().get_connections(target.peer_id):
        raise Failure("the connection was lost")  # the library would dial again
    with trio.fail_after(PATIENCE):
        return await host.new_stream(target.peer_id, [protocol])


async def echo_once(stream: INetStream, size: int) -> tuple[bytes, bytes]:
    """Send random bytes while reading them back; returns the SHA-256 of either."""
    sent = b""
    received = hashlib.sha256()

    async def send() -> None:
        nonlocal sent
        sent = await send_random(stream, size)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        while data := await read_some(stream):
            received.update(data)
    await stream.close()
    return sent, received.digest()


async def hash_once(host: IHost, target: PeerInfo, size: int) -> None:
    stream = await open_stream(host, target, HASH)
    sent = await send_random(stream, size)
    answer = await read_exactly(stream, len(sent))
    await stream.close()
    if answer != sent:
        raise Failure(f"the hash is {answer.hex()}, not {sent.hex()}")


async def ping_times(host: IHost, target: PeerInfo, count: int) -> AsyncIterator[float]:
    # Not the library's own ping, which counts whole milliseconds only.
    stream = await open_stream(host, target, PING)
    for _ in range(count):
        sent = os.urandom(32)
        start = perf_counter()
        await write(stream, sent)
        answer = await read_exactly(stream, len(sent))
        took = perf_counter() - start
        if answer != sent:
            raise Failure("the ping came back with other bytes")
        yield took * 1000
    await stream.close()


async def perf_once(host: IHost, target: PeerInfo, upload: int, download: int) -> float:
    """Run one perf stream; returns the seconds from before it was opened until its end."""
    start = perf_counter()
    stream = await open_stream(host, target, PERF)
    await stream.write(download.to_bytes(8))
    await send_zeros(stream, upload)
    await close_write(stream)
    received = await drain(stream)
    took = perf_counter() - start
    await stream.close()
    if received != download:
        raise Failure(f"{received} bytes came, not {download}")
    return took


def report_count(count: int, ok: int) -> None:
    report({"count": count, "ok": ok})
    if ok != count:
        raise Failure(f"{count - ok} of {count} streams failed")


async def ping(target: PeerInfo, options: Namespace) -> None:
    async with connected(target, options) as host:
        async for took in ping_times(host, target, options.count):
            report({"rtt_ms": took})


async def identify(target: PeerInfo, options: Namespace) -> None:
    # The library runs identify by itself but keeps little of what it learns; so this asks once more.
    async with connected(target, options) as host:
        stream = await open_stream(host, target, IDENTIFY)
        with trio.fail_after(PATIENCE):
            message = Identify.FromString(await read_length_prefixed_protobuf(stream))
        await stream.close()
        observed = multiaddr.Multiaddr(message.observed_addr) if message.observed_addr else None
        key = deserialize_public_key(message.public_key)
        report(
            {
                "peer_id": str(ID.from_pubkey(key)),
                "agent_version": message.agent_version,
                "protocol_version": message.protocol_version,
                "protocols": list(message.protocols),
                "listen_addrs": [str(multiaddr.Multiaddr(address)) for address in message.listen_addrs],
                "observed_addr": observed and str(observed),
                "key_type": key.get_type().name.lower(),
            }
        )


async def echo(target: PeerInfo, options: Namespace) -> None:
    async with connected(target, options) as host:
        sent, received = await echo_once(await open_stream(host, target, ECHO), options.bytes)
        report({"bytes": options.bytes, "sent_sha256": sent.hex(), "received_sha256": received.hex()})
        if sent != received:
            raise Failure("other bytes came back than were sent")


async def half_close(target: PeerInfo, options: Namespace) -> None:
    async with connected(target, options) as host:
        await hash_once(host, target, options.bytes)
        report({"bytes": options.bytes, "ok": True})


async def streams(target: PeerInfo, options: Namespace) -> None:
    async with connected(target, options) as host:
        opened: list[INetStream] = []
        ok = 0

        async def open_one() -> None:
            opened.append(await open_stream(host, target, ECHO))

        async def use_one(stream: INetStream) -> None:
            nonlocal ok
            sent, received = await echo_once(stream, options.bytes)
            if sent != received:
                raise Failure("other bytes came back than were sent")
            ok += 1

        async with trio.open_nursery() as nursery:
            for _ in range(options.count):
                nursery.start_soon(logged, open_one)
        async with trio.open_nursery() as nursery:
            for stream in opened:
                nursery.start_soon(logged, use_one, stream)
        report_count(options.count, ok)


async def logged(step: Callable[..., Awaitable[None]], *args: object) -> None:
    """Run one of many steps, whose failure must not end the others."""
    try:
        await step(*args)
    except Exception as error:  # noqa: BLE001
        print(describe(error), file=sys.stderr)


async def short_streams(target: PeerInfo, options: Namespace) -> None:
    async with connected(target, options) as host:
        ok = 0

        async def run_all() -> None:
            nonlocal ok
            while ok < options.count:
                await hash_once(host, target, options.bytes)
                ok += 1

        await logged(run_all)
        report_count(options.count, ok)


async def perf(target: PeerInfo, options: Namespace) -> None:
    upload = options.upload_bytes
    download = upload if options.download_bytes is None else options.download_bytes
    async with connected(target, options) as host:
        for _ in range(options.iterations):
            up = await perf_once(host, target, upload, 0)
            down = await perf_once(host, target, 0, download)
            report({"upload_bytes_per_s": upload / up, "download_bytes_per_s": download / down})


async def latency(target: PeerInfo, options: Namespace) -> None:
    async with connected(target, options) as host:
        times = [await perf_once(host, target, 1, 1) for _ in range(options.count)]
        pings = [took async for took in ping_times(host, target, options.count)]
        report({"stream_ms": statistics.median(times) * 1000, "ping_ms": statistics.median(pings)})


async def connect_many(target: PeerInfo, options: Namespace) -> None:
    async with AsyncExitStack() as stack:
        hosts = [await stack.enter_async_context(running_dialer(make_key(options))) for _ in range(options.count)]
        times: list[float] = []

        async def work(waiting: Iterator[IHost]) -> None:
            for host in waiting:
                start = perf_counter()
                await connect(host, target)
                times.append(perf_counter() - start)
                await host.disconnect(target.peer_id)

        waiting = iter(hosts)
        start = perf_counter()
        async with trio.open_nursery() as nursery:
            for _ in range(options.parallel):
                nursery.start_soon(work, waiting)
        total = perf_counter() - start
        report({"connect_ms": statistics.median(times) * 1000, "per_second": options.count / total})


async def idle(target: PeerInfo, options: Namespace) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(options.count):
            await stack.enter_async_context(connected(target, options))
        report({"count": options.count})
        await stdin_ended()


async def stdin_ended() -> None:
    def read_all() -> None:
        while os.read(0, 4096):
            pass

    await trio.to_thread.run_sync(read_all, abandon_on_cancel=True)


async def wrong_peer_id(target: PeerInfo, options: Namespace) -> None:
    wrong = PeerInfo(ID.from_pubkey(ed25519.create_new_key_pair().public_key), target.addrs)
    async with running_dialer(make_key(options)) as host:
        try:
            await connect(host, wrong)
        except SwarmException as error:
            reasons = [reason for reason in causes(error) if isinstance(reason, PeerIDMismatchesPubkey)]
            if not reasons:
                raise
            report({"refused": True, "error": str(reasons[0])})
        else:
            raise Failure("a connection to the wrong peer was accepted")


async def unknown_protocol(target: PeerInfo, options: Namespace) -> None:
    async with connected(target, options) as host:
        before = host.get_network().get_connections(target.peer_id)
        try:
            await open_stream(host, target, "/does-not-exist/1.0.0")
        except StreamFailure as error:
            if not isinstance(error.__cause__, MultiselectClientError):
                raise
        else:
            raise Failure("a protocol that does not exist was accepted")
        pings = [took async for took in ping_times(host, target, 1)]
        if host.get_network().get_connections(target.peer_id) != before:
            raise Failure("the connection was replaced by another")
        report({"refused": True, "ping_ms": pings[0]})


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error and all that it came from, as the outer ones say little."""
    inner: Sequence[BaseException | None] = [error.__cause__]
    if isinstance(error, BaseExceptionGroup):
        inner = error.exceptions
    elif isinstance(error, MultiError):
        inner = error.errors
    else:
        yield error
    for cause in inner:
        if cause is not None:
            yield from causes(cause)


def describe(error: BaseException) -> str:
    def text(cause: BaseException) -> str:
        if isinstance(cause, trio.TooSlowError):
            return f"nothing happened for {PATIENCE:g} s"
        return f"{type(cause).__name__}: {cause}".removesuffix(": ")

    return ", from ".join(text(cause) for cause in causes(error))


COMMANDS = {
    "ping": ping,
    "identify": identify,
    "echo": echo,
    "half-close": half_close,
    "streams": streams,
    "short-streams": short_streams,
    "perf": perf,
    "latency": latency,
    "connect": connect_many,
    "idle": idle,
    "wrong-peer-id": wrong_peer_id,
    "unknown-protocol": unknown_protocol,
}


def parse_target(address: str) -> PeerInfo:
    try:
        return info_from_p2p_addr(multiaddr.Multiaddr(address))
    except MultiaddrError as error:
        raise ValueError from error  # what argparse understands
