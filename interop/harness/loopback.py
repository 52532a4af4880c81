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
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
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
    words = ["--hold", "--params", str(options.params), "--places", str(places)]
    with ExitStack() as stack:
        processes: list[subprocess.Popen[bytes]] = []
        for node_id, name in enumerate(options.nodes):
            program = command(name, ["--node-id", str(node_id), *words])
            told = stack.enter_context((options.out / f"node{node_id}.ndjson").open("wb"))
            log = stack.enter_context((options.out / f"node{node_id}.log").open("wb"))
            process = stack.enter_context(subprocess.Popen(program, stdin=subprocess.PIPE, stdout=told, stderr=log))
            stack.callback(process.kill)
            processes.append(process)
        begin_together(processes, [options.out / f"node{node_id}.ndjson" for node_id in range(len(processes))])
        deadline = max(waits(script), default=0.0) + SPARE
        codes = [process.wait(deadline) for process in processes]
    for node_id, (name, code) in enumerate(zip(options.nodes, codes, strict=True)):
        if code:
            print(f"node{node_id} ({name}) ended with {code}: see {options.out}/node{node_id}.log", file=sys.stderr)
    return 1 if any(codes) else 0


def command(name: str, words: Sequence[str]) -> Sequence[str]:
    """What runs a node."""
    kind, _, backend = name.partition(":")
    if kind == "p2pstack":
        return [sys.executable, str(HERE / "gossipsub.py"), *words, "--backend", backend or "asyncio"]
    return [sys.executable, str(HERE / "stand_in.py"), *words, "--", str(cache() / name / "peer")]


def begin_together(processes: Sequence["subprocess.Popen[bytes]"], told: Sequence[Path]) -> None:
    """Let the clocks of all nodes start once each has told its first line: some need longer to get ready."""
    deadline = time.monotonic() + SPARE
    while not all(file.stat().st_size for file in told) and time.monotonic() < deadline:
        time.sleep(0.02)
    for process in processes:
        assert process.stdin
        with suppress(BrokenPipeError):
            process.stdin.write(b"\n")
            process.stdin.flush()


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
