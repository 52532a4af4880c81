"""Hosts of p2pstack as the contract wants them."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256

import anyio
from anyio.abc import TaskStatus

from p2pstack import Connection, Echo, Host, Identify, Perf, PrivateKey, Stream, SwarmConfig

__all__ = ["HASH", "KEY_TYPES", "PATIENCE", "connected", "dialler", "fresh_diallers", "listener", "new_identify"]

HASH = "/hash/1.0.0"
KEY_TYPES = ("ed25519", "secp256k1", "ecdsa", "rsa")

#: The longest that any single wait may take, in seconds.
PATIENCE = 30.0

#: A limit that no test reaches.
UNLIMITED = 1_000_000


def listener(key_type: str, address: str, *, chunk: int = 65_536) -> Host:
    host = Host(
        key=PrivateKey.generate(key_type),
        listen=[address],
        services=[new_identify(), Perf(chunk_size=chunk, max_streams_per_peer=UNLIMITED), Echo()],
        config=SwarmConfig(max_connections=UNLIMITED, max_connections_per_peer=UNLIMITED),
    )
    host.handle(HASH, handler=answer_hash)
    return host


def dialler(key_type: str, identify: Identify | None = None) -> Host:
    return Host(key=PrivateKey.generate(key_type), services=[identify or new_identify()])


def new_identify() -> Identify:
    return Identify(agent_version="interop-p2pstack/1", protocol_version="p2pstack-interop/1")


async def answer_hash(stream: Stream) -> None:
    received = sha256()
    async for chunk in stream:
        received.update(chunk)
    await stream.send(received.digest())


@asynccontextmanager
async def connected(key_type: str, target: str) -> AsyncGenerator[tuple[Host, Connection]]:
    """A host for as long as the block lasts, with a connection on which identify is done."""
    identify = new_identify()
    async with dialler(key_type, identify) as host:
        with anyio.fail_after(PATIENCE):
            connection = await host.connect(target)
            await identify.wait(connection)
        yield host, connection


@asynccontextmanager
async def fresh_diallers(key_type: str, count: int) -> AsyncGenerator[Sequence[Host]]:
    """Many hosts, each in a task of its own: nested, they would make every step pass the cancel scopes of them all."""

    async def live(*, task_status: TaskStatus[Host]) -> None:
        async with dialler(key_type) as host:
            task_status.started(host)
            await anyio.sleep_forever()

    async with anyio.create_task_group() as tasks:
        yield [await tasks.start(live) for _ in range(count)]
        tasks.cancel_scope.cancel()
