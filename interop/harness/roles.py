"""What both apps do around their measurement: the host with the parts that are asked for, the listener's role, and how
an app begins and ends."""

import argparse
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

import anyio
from anyio import to_thread
from redis import RedisError
from settings import Settings, SettingsError

from p2pstack import Host, Noise, P2PError, Service, Tcp, Yamux

__all__ = ["make_host", "run", "serve"]

T = TypeVar("T")

log = logging.getLogger("harness")

TRANSPORTS = {"tcp": Tcp}
SECURITY = {"noise": Noise}
MUXERS = {"yamux": Yamux}

#: what may go wrong without a mistake of ours in it
EXPECTED = (SettingsError, P2PError, RedisError, OSError, anyio.EndOfStream, anyio.BrokenResourceError)


def make_host(settings: Settings, services: Sequence[Service] = ()) -> Host:
    """A host of exactly the parts that the test is about, which listens where it has that role."""
    transport = pick(TRANSPORTS, "transport", settings.transport)
    security = pick(SECURITY, "secure channel", settings.security)
    muxer = pick(MUXERS, "muxer", settings.muxer)
    listen = [] if settings.is_dialer else [f"/ip4/{settings.listener_ip}/tcp/0"]
    return Host(listen=listen, transports=[transport()], security=[security], muxers=[muxer()], services=services)


def pick(parts: Mapping[str, T], what: str, name: str | None) -> T:
    part = parts.get(name or "")
    if part is None:
        raise SettingsError(f"p2pstack has no {what} {name}, but {', '.join(parts)}")
    return part


async def serve(host: Host, settings: Settings, leave: Callable[[Settings, str], None]) -> None:
    """Serve until the harness sends a signal: the test would end with whoever ends first.

    :param leave: tells the dialer the address
    """
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with host:
            # Other containers cannot reach a loopback address, so it is left only where there is no other.
            addresses = sorted(map(str, host.addrs), key=lambda address: address.startswith("/ip4/127."))
            await to_thread.run_sync(leave, settings, addresses[0])
            log.info("listening on %s", addresses[0])
            await anext(signals)


def run(app: Callable[[Settings, argparse.Namespace], Awaitable[None]], parser: argparse.ArgumentParser) -> int:
    """Run an app as the environment says; the exit code for it. Only the app's result goes to stdout."""
    parser.add_argument("--backend", choices=("asyncio", "uvloop", "trio"), default="asyncio")
    options = parser.parse_args()
    try:
        settings = Settings.from_environment(os.environ)
        logging.basicConfig(stream=sys.stderr, level=logging.DEBUG if settings.debug else logging.INFO)
        anyio.run(
            app,
            settings,
            options,
            backend="trio" if options.backend == "trio" else "asyncio",
            backend_options={} if options.backend == "trio" else {"use_uvloop": options.backend == "uvloop"},
        )
    except EXPECTED as error:
        print(f"error: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0
