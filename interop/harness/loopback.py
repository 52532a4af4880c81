"""Runs nodes of the gossipsub harness on this machine, where the harness itself would simulate a network.

    python interop/harness/loopback.py --params params.json --out DIR p2pstack go rust p2pstack:trio

Node 0 is the first named, and so on. What node N tells goes to DIR/nodeN.ndjson, its log to DIR/nodeN.log. Those of
other implementations are the peers that interop/peers/build.sh builds.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent

#: Seconds beyond the last one that a script names.
SPARE = 60.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", type=Path, required=True, help="what is to be done")
    parser.add_argument("--out", type=Path, required=True, help="the folder for what the nodes tell")
    parser.add_argument("nodes", nargs="+", metavar="NODE", help="p2pstack[:asyncio|uvloop|trio], go, rust, js or py")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    script = json.loads(options.params.read_text())["script"]
    places = options.out / "places.json"
    places.write_text(json.dumps({f"node{i}": f"127.0.0.1:{port}" for i, port in enumerate(ports(len(options.nodes)))}))
    with ExitStack() as stack:
        processes: list[subprocess.Popen[bytes]] = []
        for node_id, name in enumerate(options.nodes):
            words = [
                *command(name),
                "--params",
                str(options.params),
                "--node-id",
                str(node_id),
                "--places",
                str(places),
            ]
            if name.partition(":")[0] != "p2pstack":
                words += ["--", str(cache() / name / "peer")]
            told = stack.enter_context((options.out / f"node{node_id}.ndjson").open("wb"))
            log = stack.enter_context((options.out / f"node{node_id}.log").open("wb"))
            process = stack.enter_context(subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=told, stderr=log))
            stack.callback(process.kill)
            processes.append(process)
        deadline = max(waits(script), default=0.0) + SPARE
        codes = [process.wait(deadline) for process in processes]
    for node_id, (name, code) in enumerate(zip(options.nodes, codes, strict=True)):
        if code:
            print(f"node{node_id} ({name}) ended with {code}: see {options.out}/node{node_id}.log", file=sys.stderr)
    return 1 if any(codes) else 0


def command(name: str) -> Sequence[str]:
    """What runs a node."""
    kind, _, backend = name.partition(":")
    if kind == "p2pstack":
        return [sys.executable, str(HERE / "gossipsub.py"), "--backend", backend or "asyncio"]
    return [sys.executable, str(HERE / "stand_in.py")]


def cache() -> Path:
    """Where interop/peers/build.sh puts what it builds."""
    if given := os.environ.get("P2PSTACK_INTEROP_CACHE"):
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "p2pstack", "interop")


def ports(count: int) -> Sequence[int]:
    """Ports that nobody uses now."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def waits(script: Sequence[dict[str, Any]]) -> Iterator[float]:
    for instruction in script:
        inner: dict[str, Any] = instruction.get("instruction", instruction)
        if inner["type"] == "waitUntil":
            yield float(inner["elapsedSeconds"])


if __name__ == "__main__":
    sys.exit(main())
