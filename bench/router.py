"""What a router of gossipsub costs by itself, with 1,000 peers that are all in 100 topics, each of which has its own
parameters of the peer score: `python -m bench.router` prints bytes for a peer in a topic, and milliseconds a heartbeat.

Each topic has messages of its own all the time, brought by one peer after the other, so that there is something to
count and to announce.
"""

import gc
import statistics
import sys
import time
import tracemalloc
from hashlib import sha256
from random import Random

from p2pstack.identity.peer_id import PeerId
from p2pstack.pubsub.actions import Validate
from p2pstack.pubsub.admission import Admission
from p2pstack.pubsub.gossipsub.config import GossipSubConfig
from p2pstack.pubsub.gossipsub.router import GossipSubRouter
from p2pstack.pubsub.gossipsub.score.params import ScoreConfig, TopicScoreConfig
from p2pstack.pubsub.gossipsub.score.score import PeerScore
from p2pstack.pubsub.identifiers import source_and_sequence
from p2pstack.pubsub.router import Link
from p2pstack.pubsub.rpc import RPC, RawMessage, Subscribe
from p2pstack.pubsub.signing import SigningPolicy

__all__ = ["main"]

PEERS = 1_000
TOPICS = 100
HEARTBEATS = 50

#: Messages that each peer has brought of each topic before memory is counted.
BROUGHT = 2

#: Seconds of quiet after which no message is remembered any more, so that what is left belongs to peers and topics.
QUIET = 300

SCORE = TopicScoreConfig(
    time_in_mesh_weight=0.01,
    first_message_deliveries_weight=0.5,
    mesh_message_deliveries_weight=-0.01,
    mesh_message_deliveries_threshold=1.0,
    mesh_failure_penalty_weight=-0.01,
)


def peer_id(number: int) -> PeerId:
    """The peer id of some key that nobody has."""
    return PeerId(b"\x12\x20" + sha256(number.to_bytes(8, "big")).digest())


class Scene:
    """A router, and what goes on around it."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.numbers = 0
        self.topics = [f"/bench/topic/{number}" for number in range(TOPICS)]
        self.peers = [peer_id(number) for number in range(1, PEERS + 1)]
        self.raw_ids = [peer.to_bytes() for peer in self.peers]
        admission = Admission(
            local_peer=peer_id(0), check=SigningPolicy.STRICT_SIGN.check, message_id=source_and_sequence
        )
        self.router = GossipSubRouter(
            GossipSubConfig(),
            admission=admission,
            random=Random(1),
            score=PeerScore(ScoreConfig(), dict.fromkeys(self.topics, SCORE)),
        )
        for topic in self.topics:
            self.router.subscribe(topic, self.now)

    def populate(self) -> None:
        """Let all peers come, and join all topics."""
        router, now = self.router, self.now
        for number, peer in enumerate(self.peers):
            ip = f"192.0.{number >> 8}.{number & 255}"
            router.add_peer(peer, Link("/meshsub/1.2.0", outbound=number % 2 == 0, ip=ip), now)
            # As they are decoded: each peer's RPC has text of its own.
            subscriptions = [Subscribe(topic.encode().decode()) for topic in self.topics]
            for start in range(0, TOPICS, 50):
                router.receive(peer, RPC(subscriptions=subscriptions[start : start + 50]), now)

    def bring(self, number: int, topic: str) -> None:
        """One peer brings a message of its own, which is valid."""
        self.numbers += 1
        sequence = self.numbers.to_bytes(8, "big")
        raw = RawMessage(topic, b"", self.raw_ids[number], sequence, b"good", None, sequence, b"")
        for action in self.router.receive(self.peers[number], RPC(messages=[raw]), self.now):
            if isinstance(action, Validate):
                self.router.accept(action.message, self.now)

    def pass_second(self) -> float:
        """A heartbeat; how many ms it took."""
        self.now += 1.0
        start = time.perf_counter()
        self.router.on_deadline(self.now)
        return (time.perf_counter() - start) * 1e3


def memory() -> float:
    """Bytes for each peer in each topic."""
    tracemalloc.start()
    scene = Scene()
    scene.pass_second()
    gc.collect()
    before, _ = tracemalloc.get_traced_memory()
    scene.populate()
    for _ in range(BROUGHT):
        for number in range(PEERS):
            for topic in scene.topics:
                scene.bring(number, topic)
            if number % 100 == 0:
                scene.pass_second()
    for _ in range(QUIET):
        scene.pass_second()
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (after - before) / PEERS / TOPICS


def heartbeat() -> float:
    """Median milliseconds of a heartbeat."""
    scene = Scene()
    scene.populate()
    times: list[float] = []
    for turn in range(HEARTBEATS):
        for number, topic in enumerate(scene.topics):
            scene.bring((turn * TOPICS + number) % PEERS, topic)
        times.append(scene.pass_second())
    # The first ones make the meshes.
    return statistics.median(times[5:])


def main() -> int:
    """Print both figures."""
    print(memory(), heartbeat())
    return 0


if __name__ == "__main__":
    sys.exit(main())
