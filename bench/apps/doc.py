"""Figures of `p2pstack doc`: `python -m bench.apps.doc`, or with `typing`, `screen` or `killed` only some of them.

typing  10 nodes in one process, connected over TCP and Noise on the loopback, each with its file on disk: an editor at
        each types 10 characters a second for a minute. From a key until the character is in the text of another node,
        for all characters and all other nodes
screen  two nodes, two pages in Chromium: from the event of a key in one page until the other page has changed
killed  10 processes; 3 are killed by -9 while all write, and start again from their files
"""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from random import Random
from statistics import median
from tempfile import TemporaryDirectory
from threading import Thread
from time import perf_counter, sleep
from typing import Any

import anyio

from p2pstack import GossipSub, Host, Neighbours
from p2pstack.apps.doc.log import Log
from p2pstack.apps.doc.messages import Kind
from p2pstack.apps.doc.service import SharedText, network_of
from p2pstack.apps.doc.update import read_update

RESULTS = Path(__file__).parents[2] / "results" / "apps"

NODES, PER_SECOND, SECONDS = 10, 10, 60
LOCAL = "/ip4/127.0.0.1/tcp/0"
NAME = "bench"
KEYS = 100
KILLED = 3
TARGET_MS = 200.0
PATIENCE = 60.0


def quantile(values: Sequence[float], part: float) -> float:
    """The value that this part of the others is not above."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def in_ms(seconds: Sequence[float]) -> dict[str, float]:
    """Quantiles."""
    parts = {"p50_ms": 0.5, "p90_ms": 0.9, "p99_ms": 0.99, "worst_ms": 1.0}
    return {name: round(quantile(seconds, part) * 1e3, 2) for name, part in parts.items()}


# --- typing


class Editor:
    """Types, and notes when what the others type is there."""

    def __init__(self, shared: SharedText, sent: dict[tuple[int, int], float], delays: list[float]) -> None:
        self.shared = shared
        self.sent = sent
        self.delays = delays

    def note(self, kind: Kind, content: bytes) -> None:
        if kind is not Kind.UPDATE:
            return
        now = perf_counter()
        for client, (first, end) in read_update(content).holds.items():
            if client != self.shared.document.client_id and (client, first) in self.sent:
                self.delays.extend(now - self.sent[client, clock] for clock in range(first, end))

    async def type(self, random: Random, seconds: float) -> None:
        """One character after the other, somewhere in the text to begin with."""
        shared, client = self.shared, self.shared.document.client_id
        position = 0
        began = anyio.current_time() + random.random() / PER_SECOND
        for number in range(int(seconds * PER_SECOND)):
            await anyio.sleep_until(began + number / PER_SECOND)
            length = len(str(shared))
            if number % 20 == 0:
                position = random.randint(0, length)
            self.sent[client, number] = perf_counter()
            await shared.insert(min(position, length), random.choice("abcdefghij klmnopqrst uvwxyz"))
            position += 1


async def _typing(folder: Path, seconds: float) -> dict[str, Any]:
    sent: dict[tuple[int, int], float] = {}
    delays: list[float] = []
    saving: list[float] = []
    async with AsyncExitStack() as stack:
        hosts: list[Host] = []
        editors: list[Editor] = []
        for number in range(NODES):
            pubsub = GossipSub()
            log = stack.enter_context(Log(folder / str(number), NAME))
            shared = SharedText(NAME, pubsub, log=log)
            bootstrap = [str(hosts[0].addrs[0])] if hosts else []
            services = [pubsub, shared, Neighbours(bootstrap, network=network_of(NAME))]
            hosts.append(await stack.enter_async_context(Host(listen=[LOCAL], services=services)))
            editors.append(Editor(shared, sent, delays))
            stack.enter_context(shared.watch(editors[-1].note))
        with anyio.fail_after(PATIENCE):
            for editor in editors:
                while len(editor.shared.members) < NODES - 2:  # noqa: ASYNC110 - whatever makes it so
                    await anyio.sleep(0.1)
        await anyio.sleep(2)  # the mesh
        async with anyio.create_task_group() as tasks:
            for number, editor in enumerate(editors):
                tasks.start_soon(editor.type, Random(number), seconds)
        wanted = len(sent) * (NODES - 1)
        with anyio.move_on_after(PATIENCE):
            while len(delays) < wanted:  # noqa: ASYNC110 - the same
                await anyio.sleep(0.05)
        texts = {str(editor.shared) for editor in editors}
        exchanged = sum(editor.shared.exchanges.made for editor in editors)
        shared = editors[0].shared
        for _ in range(50):
            began = perf_counter()
            await shared.insert(0, "x")
            saving.append(perf_counter() - began)
    return {
        "nodes": NODES,
        "seconds": seconds,
        "characters": len(sent),
        "deliveries": len(delays),
        "missing": wanted - len(delays),
        "same": len(texts) == 1 and len(texts.pop()) == len(sent),
        "exchanges": exchanged,
        **in_ms(delays),
        "saved_p50_ms": round(median(saving) * 1e3, 2),
        "delays_ms": [round(quantile(delays, part / 200) * 1e3, 3) for part in range(201)],
    }


def typing(seconds: float = SECONDS) -> dict[str, Any]:
    """Editors type."""
    with TemporaryDirectory() as folder:
        return anyio.run(_typing, Path(folder), seconds)


# --- processes


class Node:
    """A process."""

    def __init__(self, data: Path, *arguments: str) -> None:
        command = [sys.executable, "-m", "p2pstack", "doc", NAME, "--json", "--listen", LOCAL, "--data", str(data)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([*command, *arguments], stdin=pipe, stdout=pipe, text=True)
        self.addr: str = self.event()["addrs"][0]
        self.url: str = "" if "--no-page" in arguments else self.event()["url"]
        self.saved = 0
        self.text = ""
        self.reader = Thread(target=self._read, daemon=True)
        self.reader.start()

    def event(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            event = json.loads(line)
            if event["event"] == "text":
                self.text = event["text"]
            elif event["event"] == "saved":
                self.saved = event["edit"]

    def write(self, mark: str) -> None:
        assert self.process.stdin is not None
        print(json.dumps({"insert": [0, mark]}), file=self.process.stdin, flush=True)

    def end(self, number: int = signal.SIGTERM) -> None:
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.process.wait()
        self.reader.join()


def killed(seconds: float = 6) -> dict[str, Any]:
    """Processes write marks; some are killed."""
    random = Random(7)
    with TemporaryDirectory() as folder, ExitStack() as stack:
        nodes = [Node(Path(folder, "0"), "--no-page")]
        nodes += [Node(Path(folder, str(n)), "--no-page", "--connect", nodes[0].addr) for n in range(1, NODES)]
        for node in nodes:
            stack.callback(node.end)
        sleep(3)
        victims = random.sample(range(1, NODES), KILLED)
        marks: list[list[str]] = [[] for _ in nodes]
        acknowledged: set[str] = set()
        for round_ in range(int(seconds * PER_SECOND)):
            began = perf_counter()
            for number, node in enumerate(nodes):
                if node.process.poll() is None:
                    marks[number].append(f"<{number}.{round_}>")
                    node.write(marks[number][-1])
            if round_ == int(seconds * PER_SECOND) // 2:
                for number in victims:  # while what was just written is on its way
                    nodes[number].end(signal.SIGKILL)
            sleep(max(0.0, began + 1 / PER_SECOND - perf_counter()))
        rest = [node for number, node in enumerate(nodes) if number not in victims]
        survivors = _settled(rest, [m for n, m in enumerate(marks) if n not in victims])
        for number, node in enumerate(nodes):
            acknowledged.update(marks[number][: node.saved])
        for number in victims:
            nodes[number] = Node(Path(folder, str(number)), "--no-page", "--connect", nodes[0].addr)
            stack.callback(nodes[number].end)
        everybody = _settled(nodes, [sorted(acknowledged)])
        lost = sum(mark not in nodes[0].text for mark in acknowledged)
    return {
        "nodes": NODES,
        "killed": KILLED,
        "written": sum(map(len, marks)),
        "acknowledged": len(acknowledged),
        "lost": lost,
        "rest_went_on": survivors,
        "same": everybody,
    }


def _settled(nodes: Sequence[Node], marks: Sequence[Sequence[str]]) -> bool:
    """Whether all come to have the same text with all of these in it."""
    end = perf_counter() + PATIENCE
    while perf_counter() < end:
        texts = {node.text for node in nodes}
        if len(texts) == 1 and all(mark in nodes[0].text for some in marks for mark in some):
            return True
        sleep(0.1)
    return False


# --- the screen

_WRITER = "() => { window.keys = []; addEventListener('keydown', () => keys.push(Date.now()), true) }"
_READER = """() => {
    window.seen = []
    const count = () => document.getElementById('editor').querySelectorAll('.cm-line')[0].textContent.split('z').length
    new MutationObserver(() => { const now = Date.now(); while (seen.length < count() - 1) seen.push(now) })
        .observe(document.getElementById('editor'), { childList: true, subtree: true, characterData: true })
}"""


def screen() -> dict[str, Any] | None:
    """From one page to the other; None where there is no browser."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        return None
    from playwright.sync_api import sync_playwright

    with TemporaryDirectory() as folder, ExitStack() as stack:
        one = Node(Path(folder, "one"))
        stack.callback(one.end)
        other = Node(Path(folder, "other"), "--connect", one.addr)
        stack.callback(other.end)
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
            writer, reader = (browser.new_context().new_page() for _ in range(2))
            for page, node in ((writer, one), (reader, other)):
                page.goto(node.url)
                page.locator("#state[data-state=connected]").wait_for()
                page.locator("#members").get_by_text("1 other").wait_for()
            sleep(2)
            writer.evaluate(_WRITER)
            reader.evaluate(_READER)
            writer.locator(".cm-content").click()
            writer.keyboard.type("z" * KEYS, delay=1000 / PER_SECOND)
            end = perf_counter() + PATIENCE
            while reader.evaluate("() => seen.length") < KEYS and perf_counter() < end:
                sleep(0.1)
            keys: list[float] = writer.evaluate("() => keys")
            seen: list[float] = reader.evaluate("() => seen")
            browser.close()
    delays = [(after - before) / 1e3 for before, after in zip(keys, seen, strict=False)]
    return {"keys": len(keys), "seen": len(seen), **in_ms(delays)}


# --- what is shown


def draw(results: dict[str, Any], path: Path) -> None:
    """How many of the characters have arrived by when."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt  # after the backend is chosen

    mpl.rcParams["svg.hashsalt"] = "p2pstack"  # the same figures give the same file
    figure, panel = plt.subplots(figsize=(7, 3), layout="constrained")
    delays: list[float] = results["typing"]["delays_ms"]
    panel.plot(delays, [part / 2 for part in range(201)], color="#1f6feb")
    panel.axvline(TARGET_MS, color="#9aa4b2", linestyle="--")
    panel.annotate(
        "to reach at 99 %", (TARGET_MS, 50), fontsize=8, ha="right", xytext=(-4, 0), textcoords="offset points"
    )
    panel.set_xscale("log")
    panel.set_xlabel("from a key to the text of another node, ms")
    panel.set_ylabel("arrived, %")
    panel.set_title("10 editors on 10 nodes, 10 characters a second each", fontsize=10)
    panel.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, format="svg", metadata={"Date": None})
    plt.close(figure)


def report(results: dict[str, Any]) -> list[tuple[str, str, str]]:
    """What was measured, the figure, and what is to be reached."""
    rows: list[tuple[str, str, str]] = []
    if figures := results.get("typing"):
        rows += [
            ("characters typed, times other nodes", f"{figures['deliveries']:,}", f"{figures['characters'] * 9:,}"),
            ("all nodes have the same bytes", "yes" if figures["same"] else "NO", "yes"),
            ("key to another node, p50", f"{figures['p50_ms']:.1f} ms", ""),
            ("key to another node, p99", f"{figures['p99_ms']:.1f} ms", f"< {TARGET_MS:.0f} ms"),
            ("key to another node, worst", f"{figures['worst_ms']:.1f} ms", ""),
            ("key to disk, p50, when all is quiet", f"{figures['saved_p50_ms']:.1f} ms", ""),
        ]
    if figures := results.get("screen"):
        rows += [
            ("key to another browser, p50", f"{figures['p50_ms']:.0f} ms", ""),
            ("key to another browser, p99", f"{figures['p99_ms']:.0f} ms", f"< {TARGET_MS:.0f} ms"),
        ]
    if figures := results.get("killed"):
        rows += [
            (f"{KILLED} of {NODES} killed: the rest goes on", "yes" if figures["rest_went_on"] else "NO", "yes"),
            ("... acknowledged edits that are lost", f"{figures['lost']} of {figures['acknowledged']}", "0"),
            ("... all have the same text in the end", "yes" if figures["same"] else "NO", "yes"),
        ]
    return rows


def main(*wanted: str) -> None:
    """Measure, print, and keep."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / "doc.json"
    results: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    for measure in (typing, screen, killed):
        if not wanted or measure.__name__ in wanted:
            results[measure.__name__] = measure()
    path.write_text(json.dumps(results, indent=1) + "\n")
    if "typing" in results:
        draw(results, RESULTS / "doc.svg")
    print(f"{'documents':<42}{'measured':>16}{'to reach':>12}")
    for what, figure, target in report(results):
        print(f"{what:<42}{figure:>16}{target:>12}")


if __name__ == "__main__":
    main(*sys.argv[1:])
