"""Figures of `p2pstack share`: `python -m bench.apps.share`, or with names of these only some.

speed   `p2pstack get` of 1 GiB from a process on this machine, with hashing and disk, in turns with `p2pstack perf`
swarm   100 MB from one uploader of 10 Mbit/s to many peers of the same speed, simulated, beside a central server
deaths  a quarter of that to 100 peers, of whom 30 are killed meanwhile

The swarm is simulated at a tenth of both: 10 MB at 1 Mbit/s take as long as 100 MB at 10 Mbit/s, in as many pieces, and
a tenth of the work. What is said besides pieces is not a tenth, so that the figures are a little worse than real ones.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from anyio import create_task_group, current_time, sleep

from p2pstack.apps.share.manifest import File, Manifest
from p2pstack.apps.share.merkle import Tree, leaf
from p2pstack.apps.share.service import Share, ShareConfig
from p2pstack.sim import LinkConfig, SimNode, Simulation, run
from p2pstack.sim.topology import full, k_regular, star

RESULTS = Path(__file__).parents[2] / "results" / "apps"

SIZE, UPLINK, PIECE = 10_000_000, "1Mbit/s", 1 << 16
IDEAL = SIZE * 8 / 1e6
PEERS = (1, 10, 100, 300)
#: peers of the central server that are simulated; more take as many times as long
SERVED = (1, 10)
#: bytes that travel together in the simulator: one block of a piece
SEGMENT = 1 << 16

GIB = 1 << 30
ROUNDS = 3


class Synthetic:
    """A content whose pieces are made of their numbers. They are verified, and then forgotten."""

    def __init__(self, manifest: Manifest, tree: Tree, have: int) -> None:
        self.manifest = manifest
        self.tree = tree
        self.have = have

    def read(self, index: int) -> Sequence[bytes]:
        return [_piece(index, self.manifest.length(index))]

    def at_hand(self, index: int) -> bool:
        return True

    def put(self, index: int, parts: Sequence[bytes], proof: bytes) -> bool:
        return self.tree.add(index, leaf(parts), proof)

    def finish(self) -> Path:
        return Path()

    def close(self) -> None:
        """Nothing is held open."""


def _piece(index: int, size: int) -> bytes:
    return index.to_bytes(4, "big") + bytes(size - 4)


def _content(size: int) -> tuple[Manifest, Tree]:
    files = (File((), size),)
    draft = Manifest("content", PIECE, files, bytes(32))
    tree = Tree.build([leaf([_piece(index, draft.length(index))]) for index in range(draft.count)])
    return Manifest("content", PIECE, files, tree.root), tree


def swarm(peers: int, *, central: bool = False, size: int = SIZE, killed: int = 0) -> dict[str, Any]:
    """Let so many peers fetch the same.

    :param central: each from the source alone
    :param killed: so many of them, for good, each at some moment before anybody can have all
    """
    manifest, tree = _content(size)
    config = ShareConfig(threads=False, neighbours=1 if central else 8)

    def empty() -> list[Share]:
        return [Share(manifest.id, Synthetic(manifest, Tree(manifest.count, tree.root), 0), config=config)]

    async def main() -> dict[str, Any]:
        net = Simulation(
            peers + 1,
            topology=star if central else full if peers < 9 else k_regular(8),
            security="plaintext",
            bandwidth=UPLINK,
            link=LinkConfig(latency="20ms±5ms", segment=SEGMENT),
            services=empty,
            seed=1,
        )
        source = Synthetic(manifest, tree, (1 << manifest.count) - 1)
        net.nodes[0].make_services = lambda: [Share(manifest.id, source, config=config)]
        times: list[float] = []

        async def wait(node: SimNode) -> None:
            await node.service(Share).finished.wait()
            times.append(current_time() - began_at)

        async def die(node: SimNode) -> None:
            await sleep(net.random.uniform(0, size * 8 / 1e6))
            net.kill(node)

        victims = net.random.sample(net.nodes[1:], killed)
        async with net:
            began_at = current_time()
            async with create_task_group() as tasks:
                for node in net.nodes[1:]:
                    tasks.start_soon(die if node in victims else wait, node)
            sent = [node.service(Share).sent / size for node in net.nodes]
        return {
            "peers": peers,
            "central": central,
            "killed": killed,
            "done": len(times),
            "first_s": round(min(times), 2),
            "median_s": round(median(times), 2),
            "last_s": round(max(times), 2),
            "source_sent_copies": round(sent[0], 3),
            "all_sent_copies": round(sum(sent), 3),
        }

    return run(main)


def speed() -> dict[str, Any]:
    """`get` and `perf` in turns, each between two processes."""
    with TemporaryDirectory(prefix="share-") as name:
        folder = Path(name)
        file, spare = folder / "file.bin", folder / "spare.bin"
        with file.open("wb") as writing:
            for _ in range(GIB >> 24):
                writing.write(os.urandom(1 << 24))
        command = [sys.executable, "-m", "p2pstack"]
        local = ("--listen", "/ip4/127.0.0.1/tcp/0", "--json")
        node = subprocess.Popen([*command, "node", *local], stdout=subprocess.PIPE, text=True)
        share = subprocess.Popen(
            [*command, "share", file, *local, "--data", folder / "data"], stdout=subprocess.PIPE, text=True
        )
        assert node.stdout is not None
        assert share.stdout is not None
        try:
            addr = json.loads(node.stdout.readline())["addrs"][0]
            link = json.loads(share.stdout.readline())["link"]
            rounds: list[dict[str, float]] = []
            for _ in range(ROUNDS):
                perf = _last([*command, "perf", addr, "--json", "--upload-bytes", "0", "--download-bytes", str(GIB)])
                # A virtual machine gets the memory of its page cache from its host when it first touches it, which can
                # take longer than the whole transfer. So it is touched before.
                spare.write_bytes(bytes(GIB))
                spare.unlink()
                got = _last([*command, "get", link, "-o", folder / "out", *local])
                (folder / "out" / file.name).unlink()
                rounds.append(
                    {
                        "get_mb_s": GIB / got["seconds"] / 1e6,
                        "perf_mb_s": perf["download_bytes_per_s"] / 1e6,
                        "get_peak_mib": got["peak_mib"],
                    }
                )
        finally:
            for process in (node, share):
                process.terminate()
                process.wait()
    for one in rounds:
        one["ratio"] = one["get_mb_s"] / one["perf_mb_s"]
    return {key: round(median(one[key] for one in rounds), 3) for key in rounds[0]} | {"rounds": rounds}


def _last(command: Sequence[object]) -> dict[str, Any]:
    """The last line of a command, and the most memory that it took."""
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout as out:
        lines = out.readlines()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command} failed")
    return json.loads(lines[-1]) | {"peak_mib": usage.ru_maxrss / 1024}


def draw(runs: Sequence[dict[str, Any]], path: Path) -> None:
    """Write the picture: how long it takes until all have all, against how many there are."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt  # after the backend is chosen

    mpl.rcParams["svg.hashsalt"] = "p2pstack"
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    ours = [one for one in runs if not one["central"]]
    served = [one for one in runs if one["central"]]
    counts = [one["peers"] for one in ours]
    axes.loglog(counts, [IDEAL] * len(counts), ":", color="#9aa4b2", label="a perfect swarm: size / uplink")
    axes.loglog(
        counts, [served[0]["last_s"] * count for count in counts], "--", color="#d29922", label="central server"
    )
    axes.loglog([one["peers"] for one in served], [one["last_s"] for one in served], "o", color="#d29922")
    axes.loglog(counts, [run["last_s"] for run in ours], "o-", color="#1f6feb", label="p2pstack share")
    for one in ours:
        axes.annotate(
            f"{one['last_s']:.0f} s", (one["peers"], one["last_s"]), (0, 8), textcoords="offset points", ha="center"
        )
    axes.set_xlabel("peers")
    axes.set_ylabel("seconds until all have all")
    axes.set_title("100 MB from one uploader, everybody with 10 Mbit/s", fontsize=10)
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    figure.savefig(path, format="svg", metadata={"Date": None})
    plt.close(figure)


def report(results: dict[str, Any]) -> None:
    """Print the table, with what is to be reached."""
    print(f"{'what':<66}{'figure':>12}  to reach")
    if found := results.get("speed"):
        print(f"{'perf, download, MB/s':<66}{found['perf_mb_s']:>12.0f}")
        print(f"{'get of 1 GiB from one peer, MB/s':<66}{found['get_mb_s']:>12.0f}")
        print(f"{'... memory at its peak, MiB':<66}{found['get_peak_mib']:>12.0f}")
        print(f"{'... to perf':<66}{found['ratio']:>11.0%}   at least 60 %")
    for one in results.get("swarm", ()):
        kind = "central server" if one["central"] else "swarm"
        what = f"{kind}: 100 MB to {one['peers']} peers of 10 Mbit/s, all done, s"
        aim = f"at most {1.5 * IDEAL:.0f}" if one["peers"] == 100 else ""
        print(f"{what:<66}{one['last_s']:>12.1f}  {aim}")
    if died := results.get("deaths"):
        what = f"swarm: 25 MB to 100 peers, {died['killed']} of whom are killed: all of the rest have all"
        print(f"{what:<76}{died['done']:>2}  70")


def main(*wanted: str) -> None:
    """Measure, print, and keep."""
    path = RESULTS / "share.json"
    results: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    if not wanted or "speed" in wanted:
        results["speed"] = speed()
    if not wanted or "swarm" in wanted:
        runs: list[dict[str, Any]] = []
        for central, counts in ((True, SERVED), (False, PEERS)):
            for count in counts:
                began_at = perf_counter()
                runs.append(swarm(count, central=central))
                print(f"simulated {count} peers in {perf_counter() - began_at:.0f} s", file=sys.stderr)
        results["swarm"] = runs
    if not wanted or "deaths" in wanted:
        results["deaths"] = swarm(100, size=SIZE // 4, killed=30)
    RESULTS.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n")
    if "swarm" in results:
        draw(results["swarm"], RESULTS / "share.svg")
    report(results)


if __name__ == "__main__":
    main(*sys.argv[1:])
