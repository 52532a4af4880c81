"""The figures of the ledger: `python -m bench.apps.ledger`.

Transfers validated a second on one core, a newcomer that catches up with 10,000 blocks of another process on loopback,
and the scenario of examples/ over many seeds, with and without a third of the nodes killed for good.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import anyio
import matplotlib as mpl
from rich.console import Console
from rich.table import Table

from p2pstack import Host
from p2pstack.apps.ledger.block import Block
from p2pstack.apps.ledger.ledger import Ledger
from p2pstack.apps.ledger.rules import Rules
from p2pstack.apps.ledger.service import LedgerNode
from p2pstack.apps.ledger.store import Store
from p2pstack.apps.ledger.transfer import Transfer
from p2pstack.identity.ed25519 import Ed25519PrivateKey
from p2pstack.sim.scenario import Script
from p2pstack.sim.sweep import cases, process_executor, sweep

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "results" / "apps"
KEYS = [Ed25519PrivateKey.from_seed(number.to_bytes(32, "big")) for number in range(100)]
RULES = Rules(
    network="bench",
    difficulty=1,
    retarget=0,
    allocation=tuple((key.public_key.raw, 1_000_000) for key in KEYS),
)
NOW = RULES.genesis_time + 10**12


def sign(numbers: list[int], count: int) -> tuple[Transfer, ...]:
    """The next transfers, of one payer after the other."""
    transfers: list[Transfer] = []
    for _ in range(count):
        payer = sum(numbers) % len(KEYS)
        payee = KEYS[(payer + 7) % len(KEYS)].public_key.raw
        transfers.append(Transfer.signed(KEYS[payer], payee, 1, fee=1, number=numbers[payer], network="bench"))
        numbers[payer] += 1
    return tuple(transfers)


def grow(ledger: Ledger, blocks: int, transfers: int) -> list[Block]:
    """Blocks with so many transfers each, on top of a ledger that takes them."""
    numbers, made = [0] * len(KEYS), list[Block]()
    for _ in range(blocks):
        tip = ledger.tip
        later = tip.header.time + RULES.block_time
        block = Block.draft(tip, sign(numbers, transfers), miner=KEYS[0].public_key.raw, time=later, difficulty=1)
        ledger.add_block(block, NOW)
        made.append(block)
    return made


def validated(folder: Path) -> list[float]:
    """Transfers for each second of one core: decoded, verified and written to disk, in blocks of 1,000."""
    encoded = [block.to_bytes() for block in grow(Ledger(RULES), 10, 1_000)]
    ledger = Ledger(RULES, Store(RULES, folder / "validated.sqlite"))
    rates: list[float] = []
    for data in encoded:
        began = time.process_time()
        ledger.add_block(Block.from_bytes(data, max_transfers=1_000), NOW)
        rates.append(1_000 / (time.process_time() - began))
    assert ledger.height == len(encoded)
    return rates


async def serve(path: Path) -> None:
    """Be the node that has the blocks, until killed."""
    node = LedgerNode(Ledger(RULES, Store(RULES, path)))
    async with Host(listen=["/ip4/127.0.0.1/tcp/0"], services=[node.pubsub, node]) as host:
        print(host.addrs[0], flush=True)
        await anyio.sleep_forever()


async def catch_up(folder: Path, addr: str, height: int) -> list[tuple[float, int]]:
    """When which height was reached by a newcomer: seconds since it connected."""
    ledger = Ledger(RULES, Store(RULES, folder / "newcomer.sqlite"))
    node = LedgerNode(ledger)
    async with Host(services=[node.pubsub, node]) as host:
        began, points, tip = time.perf_counter(), [(0.0, 0)], ledger.tip
        await host.connect(addr)
        with anyio.fail_after(120):
            while tip.header.height < height:
                tip = await node.wait_for_change(tip)
                points.append((time.perf_counter() - began, tip.header.height))
    assert ledger.store.supply == RULES.supply(height)
    return points


def newcomer(folder: Path, blocks: int, transfers: int) -> list[tuple[float, int]]:
    """Have one catch up with a process that has `blocks`."""
    path = folder / "served.sqlite"
    store = Store(RULES, path)
    with store.transaction():
        grow(Ledger(RULES, store), blocks, transfers)
    store.close()
    command = [sys.executable, "-m", "bench.apps.ledger", "--serve", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as server:
        assert server.stdout is not None
        try:
            return anyio.run(catch_up, folder, server.stdout.readline().strip(), blocks)
        finally:
            server.kill()


def simulated(seeds: int, processes: int | None, **parameters: Any) -> dict[str, Any]:
    """The scenario over seeds: how many runs kept what is promised, and what they went through."""
    script = Script.read(ROOT / "examples" / "scenarios" / "ledger.py")
    given = {name: [value] for name, value in parameters.items()}
    runs = cases(script, nodes=[12], seeds=range(seeds), parameters=given)
    with process_executor(processes) as executor:
        outcomes = list(sweep(runs, executor))
    kept = [outcome for outcome in outcomes if outcome.failure is None]
    for outcome in outcomes:
        if outcome.failure is not None:
            print(f"seed {outcome.seed}: {outcome.failure}", file=sys.stderr)
    return {
        "runs": len(outcomes),
        "kept": len(kept),
        "crashes": sum(outcome.facts["crashes"] for outcome in kept),
        "sure payments": sum(outcome.facts["sure payments"] for outcome in kept),
    }


def draw(points: list[tuple[float, int]], path: Path) -> None:
    """The newcomer's height over time."""
    mpl.use("svg")
    from matplotlib import pyplot as plt  # after the backend is chosen

    mpl.rcParams["svg.hashsalt"] = "p2pstack"
    figure, axes = plt.subplots(figsize=(6, 2.8), layout="constrained")
    axes.plot([at for at, _ in points], [height for _, height in points], color="#1f6feb")
    axes.set_xlabel("seconds since the newcomer connected", fontsize=9)
    axes.set_ylabel("blocks verified and written", fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    figure.savefig(path, format="svg", metadata={"Date": None})
    plt.close(figure)


def main() -> int:
    """Measure, print, write; 1 if a figure was not reached."""
    parser = argparse.ArgumentParser(prog="python -m bench.apps.ledger", description=__doc__)
    parser.add_argument("--blocks", type=int, default=10_000, help="that the newcomer lacks (10,000)")
    parser.add_argument("--seeds", type=int, default=100, help="of the scenario (100)")
    parser.add_argument("--processes", type=int, help="that play the scenario (as many as there are cores)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="a folder for the results (results/apps)")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        anyio.run(serve, arguments.serve)
        return 0

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rates = sorted(validated(folder))
        points = newcomer(folder, arguments.blocks, transfers=2)
    thieves = simulated(arguments.seeds, arguments.processes)
    killed = simulated(max(1, arguments.seeds // 5), arguments.processes, killed=0.3, thieves=0.0, seconds=60.0)

    rate, took = rates[len(rates) // 2], points[-1][0]
    runs, deaths = thieves["runs"], killed["runs"]
    rows = [
        ("transfers validated a second, one core", f"{rate:,.0f}", "5,000", rate >= 5_000),
        (f"a newcomer catches up with {arguments.blocks:,} blocks", f"{took:.1f} s", "30 s", took < 30),
        ("runs with thieves, crashes and a partition", f"{thieves['kept']} of {runs}", "all", thieves["kept"] == runs),
        ("runs with 30 % killed for good", f"{killed['kept']} of {deaths}", "all", killed["kept"] == deaths),
    ]
    table = Table("what", "measured", "to reach", "reached")
    for what, measured, wanted, reached in rows:
        table.add_row(what, measured, wanted, "yes" if reached else "NO")
    Console(width=None if sys.stdout.isatty() else 120).print(table)

    arguments.out.mkdir(parents=True, exist_ok=True)
    document = {
        "transfers validated 1/s": [round(each) for each in rates],
        "newcomer": {"blocks": arguments.blocks, "transfers": 2 * arguments.blocks, "seconds": round(took, 2)},
        "thieves": thieves,
        "killed": killed,
        "cores": os.cpu_count(),
    }
    (arguments.out / "ledger.json").write_text(json.dumps(document, indent=1) + "\n")
    draw(points, arguments.out / "ledger.svg")
    return 0 if all(reached for *_, reached in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
