"""The interop peer on py-libp2p; what it takes and prints is said in interop/peers/README.md."""

import argparse
import json
import signal
import sys

import trio
from commands import COMMANDS, describe, make_key, parse_target, stdin_ended
from hosts import KEY_TYPES, running_listener
from protocols import serve
from pubsub import pubsub

CANNOT = 3

OPTIONS = {
    "ping": {"count": 5},
    "echo": {"bytes": 10 * 1024 * 1024},
    "half-close": {"bytes": 1_000_000},
    "streams": {"count": 50, "bytes": 65_536},
    "short-streams": {"count": 6000, "bytes": 29},
    "perf": {"upload-bytes": 1024**3, "download-bytes": None, "iterations": 1},
    "latency": {"count": 100},
    "connect": {"count": 50, "parallel": 1},
    "idle": {"count": 100},
}


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="peer")
    subparsers = parser.add_subparsers(dest="command", required=True)
    listener = subparsers.add_parser("listen")
    listener.add_argument("--listen", default="/ip4/127.0.0.1/tcp/0")
    member = subparsers.add_parser("pubsub")
    member.add_argument("--listen", default="/ip4/127.0.0.1/tcp/0")
    member.add_argument("--config", default="{}")
    parsers = [listener, member]
    for command in COMMANDS:
        dialer = subparsers.add_parser(command)
        dialer.add_argument("target", type=parse_target)
        for name, default in OPTIONS.get(command, {}).items():
            dialer.add_argument(f"--{name}", type=int, default=default)
        parsers.append(dialer)
    for subparser in parsers:
        subparser.add_argument("--key", choices=list(KEY_TYPES), default="ed25519")
    return parser.parse_args()


async def listen(options: argparse.Namespace) -> None:
    async with running_listener(make_key(options), options.listen) as host, trio.open_nursery() as nursery:
        serve(host)

        async def wait_for_signal() -> None:
            with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
                async for _ in signals:
                    nursery.cancel_scope.cancel()

        nursery.start_soon(wait_for_signal)
        addresses = [str(address) for address in host.get_addrs()]
        if not addresses:
            raise OSError(f"cannot listen on {options.listen}")  # the library says so only in its debug log
        print(json.dumps({"event": "listening", "peer_id": str(host.get_id()), "addrs": addresses}), flush=True)
        await stdin_ended()
        nursery.cancel_scope.cancel()


def main() -> int:
    options = parse_args()
    if KEY_TYPES[options.key] is None:
        print(f"error: py-libp2p cannot make a key of type {options.key}", file=sys.stderr)
        return CANNOT
    try:
        if options.command == "listen":
            trio.run(listen, options)
        elif options.command == "pubsub":
            trio.run(pubsub, options)
        else:
            trio.run(COMMANDS[options.command], options.target, options)
    except Exception as error:  # noqa: BLE001
        print(f"error: {describe(error)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
