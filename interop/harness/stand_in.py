"""A node of another implementation in the gossipsub harness: `peer pubsub` of interop/peers, told step by step what a
script says. It tells on stdout what the implementation's own app would.

    python interop/harness/stand_in.py --params params.json --node-id N --places places.json PROGRAM...
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import anyio
from network import Network, node_key
from output import report_failures, tell_complete, tell_peer_id, tell_received
from script import Instruction, ScriptedNode, ScriptError, held, run_script

sys.path.insert(0, str(Path(__file__).parents[2]))
from interop.peers.client import PeerClient, PeerFailed, running_peer

#: The names of parameters in Go, and those of the peers.
PARAMETERS = {
    "D": "d",
    "Dlo": "d_lo",
    "Dhi": "d_hi",
    "Dscore": "d_score",
    "Dout": "d_out",
    "Dlazy": "d_lazy",
    "IDontWantMessageThreshold": "idontwant_bytes",
}
DURATIONS = {
    "HeartbeatInterval": ("heartbeat_ms", 1_000_000),
    "PruneBackoff": ("prune_backoff_s", 1_000_000_000),
    "UnsubscribeBackoff": ("unsubscribe_backoff_s", 1_000_000_000),
}
#: As the harness has it for all: no authors, ids in the first bytes, long queues, large messages.
ALWAYS = {
    "policy": "strict-no-sign",
    "message_id": "first8",
    "queue": 600,
    "max_message_bytes": 10 << 20,
    "partial": True,
}
ALL_PARTS = 0xFF


def delays(script: Sequence[Instruction]) -> Iterator[float]:
    """The validation delays of a script: a peer has to be told from the start."""
    for instruction in script:
        inner = instruction.get("instruction", instruction)
        if inner["type"] == "setTopicValidationDelay":
            yield inner["delaySeconds"]


class StandIn(ScriptedNode):
    """A peer, once `init` has been told."""

    def __init__(
        self,
        program: Sequence[str],
        node_id: int,
        network: Network,
        script: Sequence[Instruction],
        stack: AsyncExitStack,
    ) -> None:
        self._program = program
        self._node_id = node_id
        self._network = network
        self._stack = stack
        self._config: dict[str, Any] = {**ALWAYS, "seed": node_id}
        if delay := max(delays(script), default=0.0):
            self._config["validation_ms"] = round(delay * 1000)
        self._peer: PeerClient | None = None

    @property
    def peer(self) -> PeerClient:
        if self._peer is None:
            raise ScriptError("expected initGossipSub before any other instruction")
        return self._peer

    async def init(self, parameters: Mapping[str, Any]) -> None:
        for name, value in parameters.items():
            if value is not None and name in PARAMETERS:
                self._config[PARAMETERS[name]] = value
            elif value is not None and name in DURATIONS:
                theirs, unit = DURATIONS[name]
                self._config[theirs] = max(1, value // unit)
        listen = self._network.listen_addr(self._node_id)
        running = running_peer(self._program[0], self._program, self._config, "--listen", listen, on_event=told)
        self._peer = await self._stack.enter_async_context(running)

    async def connect(self, node_ids: Sequence[int]) -> None:
        for node_id in node_ids:
            await self.peer.do("connect", address=await self._network.addr(node_id))

    async def subscribe(self, topic: str, *, partial: bool) -> None:
        await self.peer.do("subscribe", topic=topic, **({"partial": "requests"} if partial else {}))

    async def publish(self, topic: str, data: bytes) -> None:
        await self.peer.do("publish", topic=topic, data=data.hex())

    async def delay_validation(self, topic: str, seconds: float) -> None:
        """It has been told when it was started."""

    async def add_parts(self, topic: str, group: int, parts: int) -> None:
        await self.peer.do("add-parts", topic=topic, group=group, parts=parts)
        if parts == ALL_PARTS:
            tell_complete(group)

    async def publish_parts(self, topic: str, group: int, node_ids: Sequence[int]) -> None:
        to = [str(node_key(node_id).peer_id) for node_id in node_ids]
        await self.peer.do("publish-parts", topic=topic, group=group, to=to)


def told(line: dict[str, Any]) -> None:
    if line["event"] == "message":
        tell_received(int(line["id"], 16), line["topic"], line["from"])
    elif line["new"] and line["have"] == ALL_PARTS:
        tell_complete(line["group"])


async def run(options: argparse.Namespace, start: float) -> None:
    script = json.loads(options.params.read_text())["script"]
    tell_peer_id(options.node_id)
    start = await held(start, hold=options.hold)
    async with AsyncExitStack() as stack:
        network = Network.from_file(options.places)
        node = StandIn(options.program, options.node_id, network, script, stack)
        await run_script(script, node, options.node_id, start)


def main() -> int:
    start = time.monotonic()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", type=Path, required=True)
    parser.add_argument("--node-id", type=int, required=True)
    parser.add_argument("--places", type=Path, required=True)
    parser.add_argument("--hold", action="store_true")
    parser.add_argument("program", nargs="+")
    failures: list[BaseException] = []
    try:
        anyio.run(run, parser.parse_args(), start)
    except* (ScriptError, PeerFailed) as group:
        failures.append(group)
    return report_failures(failures)


if __name__ == "__main__":
    sys.exit(main())
