"""Starts a listener, runs a client against it, reads their JSON lines."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psutil

from bench.contenders import Contender

__all__ = ["ClientFailedError", "Listener", "client", "idle_client", "listener"]

#: Seconds one client may take; the largest transfer of the slowest contender takes less than a minute.
CLIENT_DEADLINE = 300.0


class ClientFailedError(Exception):
    """A client did not do what was asked; the message is its own."""


@dataclass(frozen=True, slots=True)
class Listener:
    """A running `listen`."""

    addr: str
    process: psutil.Process

    @property
    def cpu_seconds(self) -> float:
        """CPU time it has used so far, in user and kernel mode."""
        times = self.process.cpu_times()
        return times.user + times.system

    @property
    def rss(self) -> int:
        """Resident bytes."""
        return self.process.memory_info().rss


@contextmanager
def listener(contender: Contender, *options: str, core: int | None = None) -> Iterator[Listener]:
    """Run `listen` with `options`, on one core only where `core` is given."""
    command = [*_pinned(core), *contender.command, "listen", *options, *contender.options]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as program:
        try:
            assert program.stdout is not None
            line = program.stdout.readline()
            if not line:
                raise ClientFailedError(f"{contender.name} does not listen: {' '.join(command)}")
            yield Listener(json.loads(line)["addrs"][0], psutil.Process(program.pid))
        finally:
            program.kill()


def client(
    contender: Contender, command: str, addr: str, *options: str, core: int | None = None
) -> list[dict[str, Any]]:
    """Run one client command and return its lines.

    :raises ClientFailedError: it failed, or took longer than five minutes
    """
    words = [*_pinned(core), *contender.command, command, addr, *options, *contender.options]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=CLIENT_DEADLINE, check=False)
    except subprocess.TimeoutExpired:
        raise ClientFailedError(f"{contender.name} {command}: no end after {CLIENT_DEADLINE:g} s") from None
    if done.returncode:
        raise ClientFailedError(f"{contender.name} {command}: {done.stderr.strip()[-300:] or done.returncode}")
    return [json.loads(line) for line in done.stdout.splitlines()]


@contextmanager
def idle_client(contender: Contender, addr: str, count: int) -> Iterator[dict[str, Any]]:
    """`count` idle connections for as long as the block lasts."""
    words = [*contender.command, "idle", addr, "--count", str(count), *contender.options]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as program:
        try:
            assert program.stdout is not None
            line = program.stdout.readline()
            if not line:
                raise ClientFailedError(f"{contender.name} idle: failed")
            yield json.loads(line)
        finally:
            program.kill()


def _pinned(core: int | None) -> Sequence[str]:
    return () if core is None else ("taskset", "-c", str(core))
