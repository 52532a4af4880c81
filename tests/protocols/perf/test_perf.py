"""So many bytes up, then so many down; what a client asks for costs the server no memory."""

import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from anyio import fail_after
from hypothesis import given
from hypothesis import strategies as st

from p2pstack import (
    Host,
    LocalProtocolError,
    NegotiationError,
    Perf,
    PerfResult,
    RemoteProtocolError,
    Stream,
    StreamReset,
)
from p2pstack import perf as run_perf
from p2pstack.protocols.perf.messages import MAX_BYTES, PERF, decode_header, encode_header

New = Callable[..., Host]


@given(st.integers(0, MAX_BYTES))
def test_every_number_has_a_header(number: int) -> None:
    header = encode_header(number)
    assert len(header) == 8
    assert decode_header(header) == number


def test_the_header_is_big_endian() -> None:
    assert encode_header(258) == b"\0\0\0\0\0\0\1\2"
    for wrong in (-1, MAX_BYTES + 1):
        with pytest.raises(LocalProtocolError, match=r"expected 0 to 2\*\*64 - 1 bytes to download, got"):
            encode_header(wrong)


@pytest.mark.parametrize("upload", [0, 1, 65_536, 1_000_001])
@pytest.mark.parametrize("download", [0, 1, 65_536, 1_000_001])
async def test_bytes_go_up_and_come_down(new_host: New, upload: int, download: int) -> None:
    progress: list[tuple[int, int]] = []
    async with new_host(1, services=[Perf()]) as server, new_host() as client:
        result = await run_perf(
            client,
            server.addrs,
            upload_bytes=upload,
            download_bytes=download,
            progress=lambda sent, received: progress.append((sent, received)),
        )
        assert (result.upload_bytes, result.download_bytes) == (upload, download)
        assert result.upload_seconds > 0
        assert result.download_seconds >= 0
        assert bool(upload or download) == bool(progress)
        assert not progress or progress[-1] == (upload, download)
        assert client.connections[0].bytes_sent >= upload + 8


def test_rates_are_bytes_a_second() -> None:
    result = PerfResult(upload_bytes=10, download_bytes=30, upload_seconds=2, download_seconds=0)
    assert (result.upload_rate, result.download_rate) == (5, 0)


async def test_the_clock_can_be_given(new_host: New) -> None:
    ticks = iter(range(100))
    async with new_host(1, services=[Perf()]) as server, new_host() as client:
        result = await run_perf(client, server.addrs, download_bytes=1, clock=lambda: float(next(ticks)))
        assert (result.upload_seconds, result.download_seconds) == (1.0, 1.0)


async def test_it_is_not_served_unless_asked_for(new_host: New) -> None:
    async with new_host(1) as server, new_host() as client:
        with pytest.raises(NegotiationError):
            await run_perf(client, server.addrs)


async def test_asking_for_all_there_can_be_costs_no_memory(new_host: New) -> None:
    async with new_host(1, services=[Perf()]) as server, new_host() as client:
        async with await client.open_stream(server.addrs, PERF) as stream:
            await stream.send(encode_header(MAX_BYTES))
            await stream.send_eof()
            tracemalloc.start()
            received = 0
            while received < 20_000_000:
                received += len(await stream.receive())
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            stream.reset()
        assert peak < 16_000_000


async def test_a_header_cut_short_resets_the_stream(new_host: New) -> None:
    async with new_host(1, services=[Perf()]) as server, new_host() as client:
        stream = await client.open_stream(server.addrs, PERF)
        await stream.send(b"1234567")
        await stream.send_eof()
        with pytest.raises(StreamReset):
            await stream.receive()


async def test_a_header_may_come_in_pieces(new_host: New) -> None:
    async with new_host(1, services=[Perf()]) as server, new_host() as client:
        stream = await client.open_stream(server.addrs, PERF)
        for byte in encode_header(5) + b"upload":
            await stream.send(bytes([byte]))
        await stream.send_eof()
        assert b"".join([chunk async for chunk in stream]) == bytes(5)


async def test_a_client_that_stalls_is_given_up(new_host: New) -> None:
    async with new_host(1, services=[Perf(stall_timeout=0.2)]) as server, new_host() as client:
        async with await client.open_stream(server.addrs, PERF) as stream:
            await stream.send(encode_header(5))
            with fail_after(20), pytest.raises(StreamReset):
                await stream.receive()
        async with await client.open_stream(server.addrs, PERF) as stream:
            await stream.send(encode_header(MAX_BYTES))
            await stream.send_eof()
            with fail_after(20):
                while server.connections[0].streams:
                    await _read_nothing(client)


async def _read_nothing(host: Host) -> None:
    """Let the others run: over a stream of another kind."""
    with pytest.raises(NegotiationError):
        await host.open_stream(host.peers[0], "/nothing/1")


@pytest.mark.parametrize("sent", [0, 99, 101, 100_000])
async def test_other_than_what_was_asked_for_is_the_peers_fault(new_host: New, sent: int) -> None:
    async def lie(stream: Stream) -> None:
        async for _ in stream:
            pass
        if sent:
            await stream.send(bytes(sent))

    async with new_host(1) as server, new_host() as client:
        server.handle(PERF, handler=lie)
        with pytest.raises(RemoteProtocolError, match=f"perf: expected 100 bytes of {server.peer_id}, got "):
            await run_perf(client, server.addrs, download_bytes=100)


@pytest.mark.parametrize("wrong", [{"upload_bytes": -1}, {"chunk_size": 0}, {"download_bytes": -1}])
async def test_numbers_out_of_range_are_refused(new_host: New, wrong: dict[str, Any]) -> None:
    with pytest.raises(LocalProtocolError, match="perf: expected"):
        await run_perf(new_host(), "/memory/1", **wrong)


@pytest.mark.parametrize("wrong", [{"chunk_size": 0}, {"max_streams_per_peer": 0}, {"stall_timeout": 0}])
def test_limits_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(LocalProtocolError, match="Perf: expected"):
        Perf(**wrong)
