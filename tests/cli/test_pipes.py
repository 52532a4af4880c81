"""Standard input and output as byte streams."""

import os
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from p2pstack.cli.output import OutputClosed
from p2pstack.cli.pipes import StandardInput, StandardOutput

Pipe = tuple[int, int]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    reader, writer = os.pipe()
    yield reader, writer
    for descriptor in (reader, writer):
        try:
            os.close(descriptor)
        except OSError:
            continue


async def test_input_waits_for_what_is_not_there_yet_and_ends_with_the_writer(pipe: Pipe) -> None:
    reader, writer = pipe
    received: list[bytes] = []

    async def receive() -> None:
        received.extend([chunk async for chunk in StandardInput(reader)])

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(receive)
        await anyio.wait_all_tasks_blocked()
        assert received == []
        os.write(writer, bytes(range(256)))
        os.close(writer)
    assert b"".join(received) == bytes(range(256))


async def test_input_can_be_given_up_while_it_waits(pipe: Pipe) -> None:
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(StandardInput(pipe[0]).receive)
            await anyio.wait_all_tasks_blocked()
            scope.cancel()
    assert scope.cancelled_caught


async def test_files_and_nothing_can_be_read_and_written_too(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for data in (b"", os.urandom(200_000)):
        with path.open("wb") as file:
            await StandardOutput(file.fileno()).send(data)
        assert path.read_bytes() == data
        with path.open("rb") as file:
            assert b"".join([chunk async for chunk in StandardInput(file.fileno())]) == data
    nothing = os.open(os.devnull, os.O_RDONLY)
    assert [chunk async for chunk in StandardInput(nothing)] == []
    os.close(nothing)


async def test_output_to_a_slow_reader_does_not_hold_up_the_loop(pipe: Pipe) -> None:
    reader, writer = pipe
    data = os.urandom(1 << 18)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(StandardOutput(writer).send, data)
        await anyio.wait_all_tasks_blocked()
        received = b""
        while len(received) < len(data):
            received += await StandardInput(reader).receive()
    assert received == data


async def test_output_that_nobody_reads_any_more_ends(pipe: Pipe) -> None:
    reader, writer = pipe
    os.close(reader)
    with pytest.raises(OutputClosed):
        await StandardOutput(writer).send(b"hello")


async def test_neither_closes_nor_changes_what_it_was_given(pipe: Pipe) -> None:
    reader, writer = pipe
    async with StandardInput(reader), StandardOutput(writer) as sink:
        await sink.send(b"x")
    assert os.get_blocking(reader)
    assert os.get_blocking(writer)
    assert os.read(reader, 9) == b"x"
