"""Figures of `p2pstack chat` and `p2pstack call`: `python -m bench.apps.chat`.

room    50 nodes in 10 processes of 5, over TCP and Noise on the loopback, each with its history on disk. They take
        turns to say something, 4 lines a second: from `say` until each of the 49 others shows the line
killed  3 of the processes, 15 of the nodes, are killed by -9 while all talk: which lines that speakers had been told
        are kept are missing at any survivor?
call    one process calls another for 15 seconds and says a click each half second: when is it in what the other side
        plays? Beside what the call itself says
"""

import json
import math
import subprocess
import sys
import wave
from array import array
from collections.abc import Sequence
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from time import perf_counter, sleep, time
from typing import Any

import anyio

from p2pstack import GossipSub, Host, Neighbours
from p2pstack.apps.call.messages import FRAME
from p2pstack.apps.call.service import CallEnded, Phone, Sounds
from p2pstack.apps.call.sound import FileMicrophone, FileSpeaker
from p2pstack.apps.chat.happenings import Happening, KeptBy, Said
from p2pstack.apps.chat.service import NETWORK, Chat
from p2pstack.apps.chat.store import HistoryStore

RESULTS = Path(__file__).parents[2] / "results" / "apps"
LOCAL = "/ip4/127.0.0.1/tcp/0"
ROOM = "bench"
PROCESSES, NODES = 10, 5
LINES, INTERVAL = 200, 0.25
KILLED, LAST_LINES = 3, 60
TARGET_MS, CALL_TARGET_MS = 100.0, 150.0
CLICKS, CLICK_EVERY, RATE = 30, 24_000, 48_000


def tell(**facts: Any) -> None:
    print(json.dumps(facts), flush=True)


# --- one process of the room


async def serve(number: int, folder: Path, connect: Sequence[str]) -> None:
    """Five nodes, which say their lines when it is their turn, as `BEGIN` on standard input says."""
    delays: list[float] = []

    def note(node: int, happening: Happening) -> None:
        match happening:
            case Said(entry):
                line, said_at = entry.line.text.split()
                if int(line) % (PROCESSES * NODES) != node and int(line) < LINES:
                    delays.append(round((perf_counter() - float(said_at)) * 1e3, 2))
            case KeptBy(entry) if int(entry.line.text.split()[0]) >= LINES:
                tell(kept=int(entry.line.text.split()[0]))
            case _:
                pass

    chats: dict[int, Chat] = {}
    async with AsyncExitStack() as stack:
        for node in range(number * NODES, (number + 1) * NODES):
            pubsub, store = GossipSub(), HistoryStore(folder / f"{node}.sqlite3")
            chat = Chat(pubsub, nick=f"n{node}", store=store, on_happening=lambda what, node=node: note(node, what))
            neighbours = Neighbours(connect, network=NETWORK)
            host = await stack.enter_async_context(Host(listen=[LOCAL], services=[pubsub, neighbours, chat]))
            await chat.join(ROOM)
            chats[node] = chat
            if not connect:
                connect = [str(host.addrs[0])]
        tell(addr=connect[0])
        begin = float(await anyio.to_thread.run_sync(sys.stdin.readline))
        for line in range(LINES + LAST_LINES):
            if (node := line % (PROCESSES * NODES)) in chats:
                await anyio.sleep(max(0.0, begin + line * INTERVAL - perf_counter()))
                await chats[node].say(ROOM, f"{line} {perf_counter()}")
        await anyio.sleep(begin + (LINES + LAST_LINES) * INTERVAL + 20 - perf_counter())
        has = [{int(entry.line.text.split()[0]) for entry in chat.rooms[ROOM].history} for chat in chats.values()]
        tell(delays=delays, has=sorted(set.intersection(*has)))


def measure_room() -> dict[str, Any]:
    with TemporaryDirectory() as folder, ExitStack() as stack:

        def start(number: int, *connect: str) -> subprocess.Popen[str]:
            command = [sys.executable, "-m", "bench.apps.chat", "serve", str(number), folder, *connect]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            stack.callback(process.kill)
            return stack.enter_context(process)

        processes = [start(0)]
        addr = read(processes[0])["addr"]
        processes += [start(number, addr) for number in range(1, PROCESSES)]
        for process in processes[1:]:
            read(process)
        begin = perf_counter() + 30  # until all have found eight others
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(f"{begin}\n")
            process.stdin.flush()
        victims = Random(0).sample(processes[1:], KILLED)
        sleep(begin + (LINES + LAST_LINES / 2) * INTERVAL - perf_counter())
        for process in victims:
            process.kill()
        kept: set[int] = set()
        delays: list[float] = []
        survivors: list[set[int]] = []
        for process in processes:
            assert process.stdout is not None
            for record in map(json.loads, process.stdout):
                if "kept" in record:
                    kept.add(record["kept"])
                else:
                    delays += record["delays"]
                    survivors.append(set(record["has"]))
    everybody = set.intersection(*survivors)
    expected = LINES * (PROCESSES * NODES - 1) * (PROCESSES - KILLED) // PROCESSES
    delays.sort()
    return {
        "nodes": PROCESSES * NODES,
        "processes": PROCESSES,
        "lines": LINES,
        "lines_per_second": 1 / INTERVAL,
        "deliveries": len(delays),
        "deliveries_expected": expected,
        "p50_ms": quantile(delays, 0.5),
        "p99_ms": quantile(delays, 0.99),
        "max_ms": delays[-1],
        "delays_ms": [quantile(delays, part / 200) for part in range(201)],
        "killed": KILLED * NODES,
        "kept": len(kept),
        "kept_and_lost": len(kept - everybody),
        "lines_before_at_all_survivors": len(everybody & set(range(LINES))),
    }


def read(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    return json.loads(process.stdout.readline())


def quantile(ordered: Sequence[float], part: float) -> float:
    return ordered[math.ceil((len(ordered) - 1) * part)]


# --- a call


class Ear(FileSpeaker):
    """Knows when it began to play."""

    began: float | None = None

    async def turn(self) -> float:
        heard = await super().turn()
        self.began = heard if self.began is None else self.began
        return heard


class Mouth(FileMicrophone):
    """Knows when it began to speak."""

    began: float | None = None

    async def listen(self) -> tuple[float, bytes] | None:
        spoken = await super().listen()
        if spoken is not None and self.began is None:
            self.began = spoken[0]
        return spoken


async def take(peer: object, name: str) -> bool:
    return True


def phone(sounds: Sounds) -> Phone:
    def ignore(*_: object) -> None:
        pass

    return Phone(name="bench", open_sounds=lambda: sounds, on_state=ignore, on_quality=ignore, answer=take)


async def answer(path: Path) -> None:
    """The side that is called."""
    ear = Ear(path, clock=time)
    called = phone(Sounds(None, ear))
    async with Host(listen=[LOCAL], services=[called]) as host:
        tell(addr=str(host.addrs[0]))
        ended = await called.wait_called()
        assert ended.quality is not None
        tell(began=ear.began, delay=ended.quality.delay, worst=ended.quality.worst_delay, loss=ended.quality.loss)


async def call(addr: str, path: Path) -> tuple[float, CallEnded]:
    mouth = Mouth(path, clock=time)
    caller = phone(Sounds(mouth, None))
    async with Host(services=[caller]):
        ended = await caller.call(addr)
    assert mouth.began is not None
    return mouth.began, ended


def measure_call() -> dict[str, Any]:
    with TemporaryDirectory() as name, ExitStack() as stack:
        said, heard = Path(name) / "said.wav", Path(name) / "heard.wav"
        samples = array("h", bytes(2 * CLICK_EVERY * (CLICKS + 1)))
        for click in range(1, CLICKS + 1):
            for index in range(480):  # 10 ms of 1 kHz
                samples[click * CLICK_EVERY + index] = round(16_000 * math.sin(math.tau * index / 48))
        with wave.open(str(said), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(samples.tobytes())
        command = [sys.executable, "-m", "bench.apps.chat", "answer", str(heard)]
        process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        stack.callback(process.kill)
        spoken_from, _ = anyio.run(call, read(process)["addr"], said)
        facts = read(process)
        process.wait(10)
        with wave.open(str(heard)) as file:
            played = array("h", file.readframes(file.getnframes()))
    delays, index = [], 0
    while index < len(played):
        if abs(played[index]) > 4_000:
            ear = facts["began"] + index / RATE - spoken_from
            delays.append(round((ear - (ear * RATE // CLICK_EVERY) * CLICK_EVERY / RATE) * 1e3, 1))
            index += CLICK_EVERY // 2
        index += 1
    delays.sort()
    return {
        "clicks": CLICKS,
        "clicks_heard": len(delays),
        "p50_ms": quantile(delays, 0.5),
        "p95_ms": quantile(delays, 0.95),
        "max_ms": delays[-1],
        "delays_ms": delays,
        "said_by_itself_p50_ms": facts["delay"],
        "said_by_itself_p95_ms": facts["worst"],
        "loss": facts["loss"],
        "frame_ms": FRAME * 1e3,
    }


# --- what came out


def draw(room: dict[str, Any], call: dict[str, Any]) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    mpl.rcParams["svg.hashsalt"] = "p2pstack"
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3), layout="constrained")
    left.plot(room["delays_ms"], [part / 2 for part in range(201)], color="#1f6feb")
    left.set_title(f"a line at each of {room['nodes']} nodes: % of deliveries within ms", fontsize=9)
    right.plot(call["delays_ms"], [100 * (n + 1) / len(call["delays_ms"]) for n in range(len(call["delays_ms"]))])
    right.set_title("a call, mouth to ear: % of clicks within ms", fontsize=9)
    for panel, target in ((left, TARGET_MS), (right, CALL_TARGET_MS)):
        panel.axvline(target, color="#d1242f", linestyle="--", linewidth=1)
        panel.set_xlim(0, max(target * 1.2, panel.get_xlim()[1]))
        panel.spines[["top", "right"]].set_visible(False)
        panel.tick_params(labelsize=8)
    figure.savefig(RESULTS / "chat.svg", format="svg", metadata={"Date": None})
    plt.close(figure)


def main() -> int:
    room, call = measure_room(), measure_call()
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "chat.json").write_text(json.dumps({"room": room, "call": call}, indent=1) + "\n")
    draw(room, call)
    rows = [
        ("a line at all of 50 nodes, p50", f"{room['p50_ms']:.1f} ms", "", True),
        ("... p99", f"{room['p99_ms']:.1f} ms", "under 100 ms", room["p99_ms"] < TARGET_MS),
        (
            "deliveries made",
            f"{room['deliveries']} of {room['deliveries_expected']}",
            "all",
            room["deliveries"] == room["deliveries_expected"],
        ),
        (
            f"{room['killed']} of 50 killed: kept lines lost",
            f"{room['kept_and_lost']} of {room['kept']}",
            "none",
            room["kept"] > 0 and room["kept_and_lost"] == 0,
        ),
        ("a call, mouth to ear, p50", f"{call['p50_ms']:.1f} ms", "", True),
        ("... p95", f"{call['p95_ms']:.1f} ms", "under 150 ms", call["p95_ms"] < CALL_TARGET_MS),
        ("... as it says itself, p50", f"{call['said_by_itself_p50_ms']:.1f} ms", "", True),
    ]
    for what, figure, target, met in rows:
        print(f"{what:<40}{figure:>16}   {target:<14}{'' if not target else 'met' if met else 'NOT MET'}")
    return 0 if all(met for *_, met in rows) else 1


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", number, folder, *connect]:
            anyio.run(serve, int(number), Path(folder), connect)
        case ["answer", path]:
            anyio.run(answer, Path(path))
        case _:
            sys.exit(main())
