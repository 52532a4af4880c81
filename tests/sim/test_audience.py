"""The readers of a topic: what they hear, what they miss, and who counts."""

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from p2pstack import GossipSub
from p2pstack.errors import LocalProtocolError
from p2pstack.sim import Audience, Simulation, Trace, run


def with_news(check: Callable[[Simulation, Audience], Awaitable[None]], *, nodes: int = 4) -> list[dict[str, Any]]:
    """Run `check` with a network that reads news, once there is a mesh; what the trace has of it."""
    trace = Trace(keep=True)

    async def main() -> None:
        async with (
            Simulation(nodes, services=lambda: [GossipSub()], security="plaintext", trace=trace) as net,
            Audience(net, "news", net.nodes[:3]) as news,
        ):
            await anyio.sleep(2)
            await check(net, news)

    run(main)
    return trace.events


def test_all_hear_but_who_publishes() -> None:
    async def check(net: Simulation, news: Audience) -> None:
        assert [node.index for node in news.members] == [0, 1, 2]
        story = await news.publish(net.nodes[1], size=4)
        assert story.waiting == {0: None, 2: None}
        assert (news.expected, news.delivered, news.missing) == (2, 0, 2)
        await anyio.sleep(1)
        assert (news.expected, news.delivered, news.missing) == (2, 2, 0)
        assert story.delays == [pytest.approx(0.02), pytest.approx(0.02)]
        assert news.mesh() == [(0, 1), (0, 2), (1, 2)]

    events = with_news(check)
    assert sorted(event["node"] for event in events if event["kind"] == "heard") == [0, 2]
    assert [event["links"] for event in events if event["kind"] == "mesh"] == [[(0, 1), (0, 2), (1, 2)]]


def test_who_cannot_be_reached_is_missed() -> None:
    async def check(net: Simulation, news: Audience) -> None:
        net.partition(net.nodes[:1], net.nodes[1:])
        await news.publish(net.nodes[1])
        await anyio.sleep(1)
        assert (news.delivered, news.missing) == (1, 1)

    with_news(check)


def test_who_was_not_meant_may_hear_it_and_does_not_count() -> None:
    async def check(net: Simulation, news: Audience) -> None:
        await news.publish(net.nodes[1], readers=net.nodes[:1])
        await anyio.sleep(1)
        assert (news.expected, news.delivered) == (1, 1)
        assert news.stories[0].heard == {0, 1, 2}

    with_news(check)


def test_nobody_waits_for_the_dead_and_who_is_started_again_reads_again() -> None:
    async def check(net: Simulation, news: Audience) -> None:
        net.kill(net.nodes[2])
        await news.publish(net.nodes[1])
        await anyio.sleep(1)
        assert (news.expected, news.delivered) == (1, 1)
        assert [node.index for node in news.members] == [0, 1]
        await net.restart(net.nodes[2])
        await anyio.sleep(5)
        assert [node.index for node in news.members] == [0, 1, 2]
        await news.publish(net.nodes[1])
        await anyio.sleep(1)
        assert news.missing == 0
        assert 2 in news.stories[1].heard

    with_news(check)


def test_one_more_may_read() -> None:
    async def check(net: Simulation, news: Audience) -> None:
        await news.join(net.nodes[3])
        await anyio.sleep(2)
        await news.publish(net.nodes[0])
        await anyio.sleep(1)
        assert (news.expected, news.delivered) == (3, 3)

    with_news(check)


def test_what_others_publish_is_nothing_to_it() -> None:
    async def check(net: Simulation, news: Audience) -> None:
        await net.nodes[0].service(GossipSub).publish("news", b"\xff" * 20)
        await anyio.sleep(1)
        assert (news.expected, news.delivered) == (0, 0)

    with_news(check)


def test_what_comes_twice_is_counted() -> None:
    async def check(net: Simulation, news: Audience) -> None:
        story = await news.publish(net.nodes[0])
        await anyio.sleep(1)
        await net.nodes[1].service(GossipSub).publish("news", story.number.to_bytes(8, "big"))
        await anyio.sleep(1)
        assert story.twice == 3
        assert news.delivered == 2

    with_news(check)


def test_it_is_there_within_its_block() -> None:
    async def main() -> None:
        async with Simulation(1, services=lambda: [GossipSub()]) as net:
            with pytest.raises(LocalProtocolError, match="within its block"):
                await Audience(net, "news").join(net.nodes[0])

    run(main)
