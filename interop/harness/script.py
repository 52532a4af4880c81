"""What the gossipsub harness tells its nodes to do: a list of instructions, the same for all of them.

==================  ================================================================================================
`script.py`         the instructions, in the order of which a node does them
`network.py`        who the nodes are and where
`parts.py`          the messages in parts of the harness
`output.py`         what nodes tell
`gossipsub.py`      the app: a node of p2pstack
`stand_in.py`       a node of another implementation that the peers in interop/peers are made with
`loopback.py`       runs several of them on this machine
==================  ================================================================================================
"""

import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import anyio
from anyio import to_thread

__all__ = ["GOSSIPSUB_DURATIONS", "Instruction", "ScriptError", "ScriptedNode", "held", "run_script"]

Instruction: TypeAlias = Mapping[str, Any]

#: The parameters that are durations: the harness tells them in nanoseconds, as Go does.
GOSSIPSUB_DURATIONS = {
    "ConnectionTimeout",
    "DirectConnectInitialDelay",
    "FanoutTTL",
    "GraftFloodThreshold",
    "HeartbeatInitialDelay",
    "HeartbeatInterval",
    "IWantFollowupTime",
    "PruneBackoff",
    "UnsubscribeBackoff",
}


class ScriptError(Exception):
    """A script asks for something that is not there."""


class ScriptedNode(ABC):
    """What a node can be told to do."""

    @abstractmethod
    async def init(self, parameters: Mapping[str, Any]) -> None:
        """Begin.

        :param parameters: of gossipsub, by their names in Go; what is None or not there is as the implementation has it
        """

    @abstractmethod
    async def connect(self, node_ids: Sequence[int]) -> None: ...

    @abstractmethod
    async def subscribe(self, topic: str, *, partial: bool) -> None: ...

    @abstractmethod
    async def publish(self, topic: str, data: bytes) -> None: ...

    @abstractmethod
    async def delay_validation(self, topic: str, seconds: float) -> None: ...

    @abstractmethod
    async def add_parts(self, topic: str, group: int, parts: int) -> None:
        """Have those parts of a group.

        :param parts: a bit for each
        """

    @abstractmethod
    async def publish_parts(self, topic: str, group: int, node_ids: Sequence[int]) -> None:
        """Tell which parts of a group are here.

        :param node_ids: who is sent them unasked
        """


async def held(start: float, *, hold: bool) -> float:
    """When a script begins: where nodes are to begin together, each waits for a line on its stdin."""
    if not hold:
        return start
    await to_thread.run_sync(sys.stdin.readline)
    return time.monotonic()


async def run_script(script: Sequence[Instruction], node: ScriptedNode, node_id: int, start: float) -> None:
    """Do what a script says, in its order.

    :param start: when the process began, by `time.monotonic`
    :raises ScriptError: an instruction is unknown, or lacks something
    """
    for instruction in script:
        try:
            await _run(instruction, node, node_id, start)
        except KeyError as missing:
            raise ScriptError(f"an instruction {instruction.get('type')} without {missing}") from None


async def _run(instruction: Instruction, node: ScriptedNode, node_id: int, start: float) -> None:
    match instruction["type"]:
        case "initGossipSub":
            await node.init(instruction["gossipSubParams"])
        case "connect":
            await node.connect(instruction["connectTo"])
        case "ifNodeIDEquals":
            if instruction["nodeID"] == node_id:
                await _run(instruction["instruction"], node, node_id, start)
        case "waitUntil":
            await anyio.sleep(max(0.0, start + instruction["elapsedSeconds"] - time.monotonic()))
        case "subscribeToTopic":
            await node.subscribe(instruction["topicID"], partial=bool(instruction.get("partial")))
        case "publish":
            # A number, and as many zeros as it takes.
            data = instruction["messageID"].to_bytes(8, "big").ljust(instruction["messageSizeBytes"], b"\0")
            await node.publish(instruction["topicID"], data)
        case "setTopicValidationDelay":
            await node.delay_validation(instruction["topicID"], instruction["delaySeconds"])
        case "addPartialMessage":
            await node.add_parts(instruction["topicID"], instruction["groupID"], instruction["parts"])
        case "publishPartial":
            nodes = instruction.get("publishToNodeIDs") or ()
            await node.publish_parts(instruction["topicID"], instruction["groupID"], nodes)
        case unknown:
            raise ScriptError(f"an instruction of unknown type {unknown!r}")
