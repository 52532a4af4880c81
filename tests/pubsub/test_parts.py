"""Messages in parts, between whole hosts."""

from typing import Any

import pytest
from anyio import fail_after

from p2pstack import GossipSub, GossipSubConfig, LocalProtocolError
from p2pstack.pubsub import PartialMessage, PartialTopic, ReceivedParts

from .stranger import until

FAST = GossipSubConfig(heartbeat_interval=0.05)
SIZE = 1_000


class Block(PartialMessage):
    """A block of up to eight parts of `SIZE` bytes, each filled with its number."""

    def __init__(self, *parts: int) -> None:
        self.parts = set(parts)

    @property
    def group_id(self) -> bytes:
        return b"block"

    @property
    def parts_metadata(self) -> bytes:
        return bytes([sum(1 << part for part in self.parts)])

    def parts_for(self, metadata: bytes | None) -> tuple[bytes, bytes] | None:
        theirs = metadata[0] if metadata else 0
        missing = sorted(part for part in self.parts if metadata is not None and not theirs >> part & 1)
        if not missing:
            return None
        data = b"".join(bytes([part]) * SIZE for part in missing)
        return data, bytes([theirs | sum(1 << part for part in missing)])

    def take(self, received: ReceivedParts) -> bool:
        new = set(received.data[::SIZE]) - self.parts
        self.parts |= new
        return bool(new)


async def test_each_gets_the_parts_that_it_lacks(new_host: Any) -> None:
    alice, bob = GossipSub(config=FAST), GossipSub(config=FAST)
    ours, theirs = Block(0, 1, 2), Block(2, 3)
    async with new_host(1, alice) as a, new_host(None, bob) as b:
        async with alice.subscribe_parts("t") as at_alice, bob.subscribe_parts("t", PartialTopic()) as at_bob:
            await b.connect(a.addrs[0])
            await until(lambda: alice.mesh("t") and bob.mesh("t"))
            await alice.publish_parts("t", ours)
            await bob.publish_parts("t", theirs)
            for pubsub, block, received in ((alice, ours, at_alice), (bob, theirs, at_bob)):
                with fail_after(20):
                    while block.parts != {0, 1, 2, 3}:
                        parts = await anext(received)
                        assert (parts.topic, parts.group_id) == ("t", b"block")
                        if block.take(parts):
                            await pubsub.publish_parts("t", block)
            assert alice.stats.parts > 0
        assert alice.topics == ()


async def test_who_sends_wrong_parts_pays_when_the_application_says_so(new_host: Any) -> None:
    alice, bob = GossipSub(config=FAST), GossipSub(config=FAST)
    async with (
        new_host(1, alice) as a,
        new_host(None, bob) as b,
        alice.subscribe_parts("t") as received,
        bob.subscribe_parts("t"),
    ):
        await b.connect(a.addrs[0])
        await until(lambda: alice.mesh("t") and bob.mesh("t"))
        await bob.publish_parts("t", Block(7))
        with fail_after(20):
            parts = await anext(received)
        assert parts.peer == b.peer_id
        alice.reject_parts(parts)
        assert alice.score(b.peer_id) < 0


async def test_a_topic_has_parts_from_the_beginning_and_whole_messages_beside(new_host: Any) -> None:
    pubsub = GossipSub()
    async with new_host(None, pubsub):
        async with pubsub.subscribe("t"):
            with pytest.raises(LocalProtocolError, match="before joining 't'"):
                pubsub.subscribe_parts("t")
        async with pubsub.subscribe_parts("t"), pubsub.subscribe_parts("t"):
            async with pubsub.subscribe("t") as messages:
                await pubsub.publish("t", b"whole")
                assert (await anext(messages)).data == b"whole"
            assert pubsub.topics == ("t",)
        assert pubsub.topics == ()
        with pytest.raises(LocalProtocolError, match="to have messages in parts"):
            await pubsub.publish_parts("other", Block(1))
