"""The app for the harness's gossipsub tests: a node that does what a script says, and tells what it is handed.

    python interop/harness/gossipsub.py --params params.json [--node-id N] [--places places.json] [--hold]

Its number is that of its host's name, `node<N>`, unless given. What it tells goes to stdout, one JSON object a line;
all else to stderr. It ends with its script.
"""

import argparse
import functools
import json
import logging
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import TaskGroup, TaskStatus
from network import Network, node_id_of, node_key
from output import report_failures, tell_complete, tell_peer_id, tell_received
from parts import ALL_PARTS, Group, Groups
from script import GOSSIPSUB_DURATIONS, ScriptedNode, ScriptError, held, run_script

from p2pstack import GossipSub, GossipSubConfig, Host, P2PError, SwarmConfig
from p2pstack.pubsub import Delivered, Duplicate, Message, PubSubConfig, SigningPolicy

log = logging.getLogger("harness")

#: The names of parameters in Go, and ours. What has no counterpart here is left out.
PARAMETERS = {
    "D": "d",
    "Dlo": "d_low",
    "Dhi": "d_high",
    "Dscore": "d_score",
    "Dout": "d_out",
    "Dlazy": "d_lazy",
    "HistoryLength": "history_length",
    "HistoryGossip": "history_gossip",
    "GossipFactor": "gossip_factor",
    "GossipRetransmission": "gossip_retransmission",
    "HeartbeatInterval": "heartbeat_interval",
    "FanoutTTL": "fanout_ttl",
    "PrunePeers": "exchange_peers",
    "PruneBackoff": "prune_backoff",
    "UnsubscribeBackoff": "unsubscribe_backoff",
    "DirectConnectTicks": "direct_connect_ticks",
    "OpportunisticGraftTicks": "opportunistic_graft_ticks",
    "OpportunisticGraftPeers": "opportunistic_graft_peers",
    "GraftFloodThreshold": "graft_flood_threshold",
    "MaxIHaveLength": "max_ihave_ids",
    "MaxIHaveMessages": "max_ihave_messages",
    "IWantFollowupTime": "iwant_followup",
    "IDontWantMessageThreshold": "idontwant_threshold",
    "IDontWantMessageTTL": "idontwant_ttl",
}

#: Bytes: the harness publishes messages of up to 10 MiB, and they have company in their RPC.
MAX_RPC = (10 << 20) + 4096


def first_8(message: Message) -> bytes:
    return message.data[:8]


def config_of(parameters: Mapping[str, Any]) -> GossipSubConfig:
    figures: dict[str, Any] = {"flood_publish": False}
    for name, value in parameters.items():
        if value is None:
            continue
        if name not in PARAMETERS:
            log.warning("there is nothing here that %s could set", name)
            continue
        figures[PARAMETERS[name]] = value / 1e9 if name in GOSSIPSUB_DURATIONS else value
    return GossipSubConfig(**figures)


class Node(ScriptedNode):
    """A node of p2pstack."""

    def __init__(self, node_id: int, network: Network, tasks: TaskGroup) -> None:
        self._node_id = node_id
        self._network = network
        self._tasks = tasks
        self._end = anyio.Event()
        self._host: Host | None = None
        self._pubsub: GossipSub | None = None
        self._groups: Groups | None = None

    @property
    def host(self) -> Host:
        if self._host is None:
            raise ScriptError("expected initGossipSub before any other instruction")
        return self._host

    @property
    def pubsub(self) -> GossipSub:
        assert self.host
        assert self._pubsub is not None
        return self._pubsub

    @property
    def groups(self) -> Groups:
        assert self.host
        assert self._groups is not None
        return self._groups

    async def init(self, parameters: Mapping[str, Any]) -> None:
        self._pubsub = GossipSub(
            config=config_of(parameters),
            signing=SigningPolicy.STRICT_NO_SIGN,
            message_id=first_8,
            service=PubSubConfig(max_rpc_size=MAX_RPC),
        )
        host = Host(
            key=node_key(self._node_id),
            listen=[self._network.listen_addr(self._node_id)],
            services=[self._pubsub],
            config=SwarmConfig(max_connections=10_000, max_connections_per_peer=10),
        )
        await self._tasks.start(self._live, host)
        self._groups = Groups(self._pubsub, self._tell_parts)
        self._tasks.start_soon(self._tell_receipts)

    async def _live(self, host: Host, *, task_status: TaskStatus[None]) -> None:
        async with host:
            self._host = host
            task_status.started()
            await self._end.wait()

    def end(self) -> None:
        """The script is over: its host ends, and with it what waits for its messages."""
        self._end.set()

    async def connect(self, node_ids: Sequence[int]) -> None:
        for node_id in node_ids:
            await self.host.connect(await self._network.addr(node_id))
        log.info("connected to %d nodes", len(node_ids))

    async def subscribe(self, topic: str, *, partial: bool) -> None:
        if partial:
            await self._tasks.start(functools.partial(self.groups.read, topic, requests=True))
        await self._tasks.start(self._read, topic)

    async def _read(self, topic: str, *, task_status: TaskStatus[None]) -> None:
        async with self.pubsub.subscribe(topic) as messages:
            task_status.started()
            async for _ in messages:
                pass

    async def publish(self, topic: str, data: bytes) -> None:
        published = await self.pubsub.publish(topic, data)
        log.info("published %d to %d peers", int.from_bytes(data[:8], "big"), published.peers)

    async def delay_validation(self, topic: str, seconds: float) -> None:
        async def wait(_: Message) -> bool:
            await anyio.sleep(seconds)
            return True

        self.pubsub.add_validator(topic, wait)

    async def add_parts(self, topic: str, group: int, parts: int) -> None:
        made = self.groups.get(topic, group)
        made.make(parts)
        if made.have == ALL_PARTS:
            tell_complete(group)

    async def publish_parts(self, topic: str, group: int, node_ids: Sequence[int]) -> None:
        self.groups.get(topic, group).eager = bool(node_ids)
        await self.groups.publish(topic, group)

    def _tell_parts(self, topic: str, group: Group, peer: str, parts: int, new: bool) -> None:
        if new and group.have == ALL_PARTS:
            tell_complete(group.number)

    async def _tell_receipts(self) -> None:
        """Tell of every message that comes, of those that were here before too."""
        with self.host.events.subscribe(Delivered, Duplicate, buffer=1 << 16) as events:
            async for event in events:
                message: Any = event.message if isinstance(event, Delivered) else event
                if message.received_from != self.host.peer_id:
                    number = int.from_bytes(message.id, "big")
                    tell_received(number, message.topic, str(message.received_from))


async def run(options: argparse.Namespace, start: float) -> None:
    params = json.loads(options.params.read_text())
    node_id = node_id_of(socket.gethostname()) if options.node_id is None else options.node_id
    tell_peer_id(node_id)
    start = await held(start, hold=options.hold)
    async with anyio.create_task_group() as tasks:
        node = Node(node_id, Network.from_file(options.places), tasks)
        await run_script(params["script"], node, node_id, start)
        node.end()


def main() -> int:
    start = time.monotonic()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", type=Path, required=True, help="what is to be done")
    parser.add_argument("--node-id", type=int, help="this node's number; that in the host's name unless given")
    parser.add_argument("--places", type=Path, help="where nodes are, where their names are not to be resolved")
    parser.add_argument("--hold", action="store_true", help="begin when a line comes on stdin")
    parser.add_argument("--backend", choices=("asyncio", "uvloop", "trio"), default="asyncio")
    options = parser.parse_args()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO)
    failures: list[BaseException] = []
    try:
        anyio.run(
            run,
            options,
            start,
            backend="trio" if options.backend == "trio" else "asyncio",
            backend_options={} if options.backend == "trio" else {"use_uvloop": options.backend == "uvloop"},
        )
    except* (ScriptError, P2PError, OSError) as group:
        failures.append(group)
    return report_failures(failures)


if __name__ == "__main__":
    sys.exit(main())
