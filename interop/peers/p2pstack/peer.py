"""The interop peer on p2pstack; what it takes and prints is said in interop/peers/README.md."""

import argparse
import logging
import resource
import sys

import anyio
import commands
import exchanges
import hosts
import loads
from multiaddr import Multiaddr

from p2pstack import P2PError

COMMANDS = commands.COMMANDS | loads.COMMANDS
BACKENDS = ("asyncio", "uvloop", "trio")

OPTIONS: dict[str, dict[str, int | None]] = {
    "listen": {"chunk": 65_536},
    "ping": {"count": 5},
    "echo": {"bytes": 10 * 1024 * 1024},
    "half-close": {"bytes": 1_000_000},
    "streams": {"count": 50, "bytes": 65_536},
    "short-streams": {"count": 6000, "bytes": 29},
    "perf": {"upload-bytes": 1 << 30, "download-bytes": None, "iterations": 1, "chunk": 65_536},
    "latency": {"count": 100},
    "connect": {"count": 50, "parallel": 1},
    "idle": {"count": 100},
    "loaded-ping": {"count": 200},
    "fan": {"count": 64, "bytes": 1 << 22},
}

#: What a command may meet without a mistake of p2pstack's in it.
EXPECTED = (exchanges.Failure, P2PError, OSError, anyio.BrokenResourceError, anyio.EndOfStream)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="peer")
    subparsers = parser.add_subparsers(dest="command", required=True)
    for command in COMMANDS:
        subparser = subparsers.add_parser(command)
        if command in ("listen", "pubsub"):
            subparser.add_argument("--listen", default="/ip4/127.0.0.1/tcp/0")
            if command == "pubsub":
                subparser.add_argument("--config", default="{}")
        else:
            subparser.add_argument("target", type=target)
        for name, default in OPTIONS.get(command, {}).items():
            subparser.add_argument(f"--{name}", type=int, default=default)
        subparser.add_argument("--key", choices=hosts.KEY_TYPES, default="ed25519")
        subparser.add_argument("--backend", choices=BACKENDS, default="asyncio")
    return parser.parse_args()


def target(text: str) -> Multiaddr:
    if "/p2p/" not in text:
        raise argparse.ArgumentTypeError("the address lacks /p2p/<peer id>")
    return Multiaddr(text)


def main() -> int:
    options = parse_args()
    logging.basicConfig(level=logging.WARNING)
    # Each connection takes a file descriptor, and the soft limit is often 1,024.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    code = 0
    try:
        anyio.run(
            COMMANDS[options.command],
            options,
            backend="trio" if options.backend == "trio" else "asyncio",
            backend_options={} if options.backend == "trio" else {"use_uvloop": options.backend == "uvloop"},
        )
    except* EXPECTED as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        print(f"error: {type(error).__name__}: {error}", file=sys.stderr)
        code = 1
    return code


if __name__ == "__main__":
    sys.exit(main())
