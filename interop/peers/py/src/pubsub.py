"""A node of gossipsub that does what stdin says."""

import hashlib
import json
import os
import signal
from argparse import Namespace
from collections.abc import AsyncIterator, Callable
from functools import partial
from time import perf_counter
from typing import Any

import multiaddr
import trio
from counter import Counter, microseconds
from hosts import KEY_TYPES, running_listener
from libp2p.abc import IHost
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.crypto.keys import KeyPair
from libp2p.peer.id import ID
from libp2p.peer.peerinfo import info_from_p2p_addr
from libp2p.pubsub import gossipsub, rpc_queue
from libp2p.pubsub import pubsub as library
from libp2p.pubsub.pb.rpc_pb2 import RPC, Message
from libp2p.tools.anyio_service import background_trio_service
from transfer import PATIENCE

#: The versions that the specification knows; the library has some of its own invention too.
PROTOCOLS = ("/meshsub/1.3.0", "/meshsub/1.2.0", "/meshsub/1.1.0", "/meshsub/1.0.0")

FLOODSUB = "/floodsub/1.0.0"

MESSAGE_IDS: dict[str, Callable[[Message], bytes]] = {
    "default": lambda message: message.from_id + message.seqno,
    "sha256": lambda message: hashlib.sha256(message.data).digest(),
    "first8": lambda message: message.data[:8],
}


def report(**values: object) -> None:
    print(json.dumps(values), flush=True)


def make_router(config: dict[str, Any]) -> gossipsub.GossipSub:
    protocols = [*config.get("protocols", PROTOCOLS), *([FLOODSUB] if config.get("floodsub") else [])]
    return gossipsub.GossipSub(
        protocols=[gossipsub.TProtocol(protocol) for protocol in protocols],
        degree=config.get("d", 6),
        degree_low=config.get("d_lo", 5),
        degree_high=config.get("d_hi", 12),
        heartbeat_interval=config.get("heartbeat_ms", 1000) / 1000,
        prune_back_off=config.get("prune_backoff_s", 60),
        unsubscribe_back_off=config.get("unsubscribe_backoff_s", 10),
        # It is told more than ten messages a second, and all of its peers have the same address.
        spam_protection_enabled=False,
        eclipse_protection_enabled=False,
        adaptive_gossip_enabled=False,
    )


class Traffic:
    """Counts what is said: the library has no tracer, but all that is said goes through these methods."""

    def __init__(self, pubsub: library.Pubsub, router: gossipsub.GossipSub) -> None:
        self.sent = dict.fromkeys(("messages", "ihave", "iwant", "idontwant", "graft", "prune", "partial"), 0)
        self.received = self.sent.copy()
        send_rpc, handle_rpc, push_msg = router.send_rpc, router.handle_rpc, pubsub.push_msg

        def send(peer: ID, rpc: RPC, *args: Any, **options: Any) -> None:
            self.sent["messages"] += len(rpc.publish)
            count_control(self.sent, rpc)
            send_rpc(peer, rpc, *args, **options)

        async def handle(rpc: RPC, peer: ID) -> None:
            count_control(self.received, rpc)
            await handle_rpc(rpc, peer)

        async def push(forwarder: ID, message: Message) -> None:
            if forwarder != pubsub.my_id:
                self.received["messages"] += 1
            await push_msg(forwarder, message)

        router.send_rpc, router.handle_rpc, pubsub.push_msg = send, handle, push


def count_control(counts: dict[str, int], rpc: RPC) -> None:
    for name in ("ihave", "iwant", "idontwant"):
        counts[name] += sum(len(control.messageIDs) for control in getattr(rpc.control, name))
    for name in ("graft", "prune"):
        counts[name] += len(getattr(rpc.control, name))


class Node:
    def __init__(self, host: IHost, config: dict[str, Any], nursery: trio.Nursery) -> None:
        if "queue" in config:
            # The library has no options for these.
            library.SUBSCRIPTION_CHANNEL_SIZE = config["queue"]
            library.RpcQueue = partial(rpc_queue.RpcQueue, max_size=config["queue"])
        self.host = host
        self.nursery = nursery
        self.message_id = MESSAGE_IDS[config.get("message_id", "default")]
        self.router = make_router(config)
        self.pubsub = library.Pubsub(
            host,
            self.router,
            strict_signing=config.get("policy", "strict-sign") == "strict-sign",
            msg_id_constructor=self.message_id,
            max_inbound_rpc_size=config.get("max_message_bytes", 1 << 20) + 4096,
        )
        self.traffic = Traffic(self.pubsub, self.router)
        self.counters: dict[str, Counter] = {}
        # A subscription does not say who forwarded a message; validators are told it.
        self.forwarders: dict[bytes, ID] = {}

    async def execute(self, request: dict[str, Any]) -> dict[str, Any]:
        topic = request.get("topic", "")
        match request["do"]:
            case "connect":
                with trio.fail_after(PATIENCE):
                    await self.host.connect(info_from_p2p_addr(multiaddr.Multiaddr(request["address"])))
            case "subscribe":
                if "partial" in request:
                    raise ValueError("py-libp2p has no partial messages")
                self.pubsub.set_topic_validator(topic, self.note_forwarder, is_async_validator=False)
                self.nursery.start_soon(self.receive, topic, await self.pubsub.subscribe(topic))
            case "unsubscribe":
                await self.pubsub.unsubscribe(topic)
            case "publish":
                await self.pubsub.publish(topic, bytes.fromhex(request["data"]))
            case "load":
                return await self.load(topic, request)
            case "count":
                self.counters[topic] = Counter()
            case "counted":
                return self.counters[topic].result(latencies=request.get("latencies", False))
            case "state":
                peers, mesh = self.pubsub.peer_topics.get(topic, ()), self.router.mesh.get(topic, ())
                return {"peers": [str(peer) for peer in peers], "mesh": [str(peer) for peer in mesh]}
            case "traffic":
                protocols = {str(peer): protocol for peer, protocol in self.router.peer_protocol.items()}
                traffic = self.traffic
                return {"sent": traffic.sent, "received": traffic.received, "duplicates": None, "protocols": protocols}
            case unknown:
                raise ValueError(f"unknown command {unknown}")
        return {}

    def note_forwarder(self, forwarder: ID, message: Message) -> bool:
        self.forwarders[self.message_id(message)] = forwarder
        return True

    async def receive(self, topic: str, subscription: AsyncIterator[Message]) -> None:
        async for message in subscription:
            identifier = self.message_id(message)
            forwarder = self.forwarders.pop(identifier, None)
            if forwarder == self.pubsub.my_id:
                continue
            if topic in self.counters:
                self.counters[topic].add(message.data)
                continue
            report(
                event="message",
                topic=topic,
                id=identifier.hex(),
                source=str(ID(message.from_id)) if message.from_id else None,
                sequence=message.seqno.hex() if message.seqno else None,
                bytes=len(message.data),
                sha256=hashlib.sha256(message.data).hexdigest(),
                **{"from": str(forwarder)},
            )

    async def load(self, topic: str, request: dict[str, Any]) -> dict[str, Any]:
        """Publish many messages: each begins with its number and with when it was published."""
        count, first, size = request["count"], request.get("first", 0), request.get("bytes", 0)
        rate = request.get("per_second", 0)
        start = perf_counter()
        for i in range(count):
            if rate:
                await trio.sleep(max(0.0, start + i / rate - perf_counter()))
            data = (first + i).to_bytes(8) + microseconds().to_bytes(8)
            await self.pubsub.publish(topic, data.ljust(size, b"\0"))
        return {"count": count, "seconds": perf_counter() - start}


async def read_lines() -> AsyncIterator[str]:
    rest = b""
    async with trio.lowlevel.FdStream(os.dup(0)) as source:
        while chunk := await source.receive_some(1 << 16):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield line.decode()


def key_of(options: Namespace, seed: int | None) -> KeyPair:
    if seed is None:
        make = KEY_TYPES[options.key]
        assert make is not None
        return make()
    return create_new_key_pair(seed.to_bytes(32, "little"))


async def pubsub(options: Namespace) -> None:
    config = json.loads(options.config)
    async with (
        running_listener(key_of(options, config.get("seed")), options.listen) as host,
        trio.open_nursery() as nursery,
    ):
        node = Node(host, config, nursery)

        async def wait_for_signal() -> None:
            with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
                async for _ in signals:
                    nursery.cancel_scope.cancel()

        nursery.start_soon(wait_for_signal)
        async with background_trio_service(node.router), background_trio_service(node.pubsub):
            await node.pubsub.wait_until_ready()
            addresses = [str(address) for address in host.get_addrs()]
            report(event="listening", peer_id=str(host.get_id()), addrs=addresses)
            async for line in read_lines():
                request = json.loads(line)
                try:
                    report(event="done", do=request["do"], **await node.execute(request))
                except Exception as error:  # noqa: BLE001
                    report(event="failed", do=request["do"], error=f"{type(error).__name__}: {error}")
        nursery.cancel_scope.cancel()
