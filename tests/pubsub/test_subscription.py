"""What an application reads, and what happens where it does not."""

from typing import Any

import pytest
from anyio import create_task_group, wait_all_tasks_blocked

from p2pstack import LocalProtocolError
from p2pstack.identity.keys import PrivateKey
from p2pstack.pubsub.message import Message
from p2pstack.pubsub.subscription import Gate, Overflow, Subscriptions, TopicSubscription

PEER = PrivateKey.generate().peer_id


def message(number: int, size: int = 1) -> Message:
    return Message(PEER, "t", bytes(size), b"", bytes([number]), PEER, b"")


class Bench:
    """A subscription, and what it does to others."""

    def __init__(self, overflow: Overflow = Overflow.DROP_OLDEST, **options: Any) -> None:
        self.gate = Gate()
        self.joined: list[TopicSubscription] = []
        self.left: list[TopicSubscription] = []
        self.drops = 0
        options = {"buffer": 4, "buffer_bytes": 1000, **options}
        self.subscription = TopicSubscription(
            "t",
            overflow=overflow,
            gate=self.gate,
            join=self.joined.append,
            leave=self.left.append,
            on_drop=self.dropped,
            **options,
        )

    def dropped(self, subscription: TopicSubscription) -> None:
        self.drops += 1

    def put(self, *numbers: int, size: int = 1) -> None:
        for number in numbers:
            self.subscription.put(message(number, size))

    async def get(self) -> int:
        return (await anext(self.subscription)).id[0]


async def test_messages_come_in_their_order_and_a_reader_waits_for_more() -> None:
    bench = Bench()
    got: list[int] = []

    async def read() -> None:
        async for message in bench.subscription:
            got.append(message.id[0])

    async with bench.subscription, create_task_group() as tasks:
        assert bench.joined == [bench.subscription]
        bench.put(1, 2)
        tasks.start_soon(read)
        await wait_all_tasks_blocked()
        assert got == [1, 2]
        bench.put(3)
        await wait_all_tasks_blocked()
        assert got == [1, 2, 3]
        bench.subscription.end()
    assert bench.left == [bench.subscription]
    assert bench.subscription.topic == "t"


async def test_the_oldest_makes_room() -> None:
    bench = Bench(Overflow.DROP_OLDEST)
    async with bench.subscription:
        bench.put(1, 2, 3, 4, 5, 6)
        assert [await bench.get() for _ in range(4)] == [3, 4, 5, 6]
    assert bench.subscription.dropped == bench.drops == 2


async def test_the_newest_is_dropped() -> None:
    bench = Bench(Overflow.DROP_NEWEST)
    async with bench.subscription:
        bench.put(1, 2, 3, 4, 5, 6)
        assert [await bench.get() for _ in range(4)] == [1, 2, 3, 4]
        assert bench.subscription.waiting == 0
    assert bench.subscription.dropped == bench.drops == 2


async def test_bytes_count_too_and_one_large_message_always_fits() -> None:
    bench = Bench(Overflow.DROP_OLDEST)
    async with bench.subscription:
        bench.put(1, 2, size=600)
        assert await bench.get() == 2
        bench.put(3, size=5000)
        assert await bench.get() == 3
    assert bench.subscription.dropped == 1


async def test_nothing_is_dropped_where_others_wait() -> None:
    bench = Bench(Overflow.WAIT)
    async with bench.subscription:
        bench.put(1, 2, 3)
        assert not bench.gate.shut
        bench.put(4, 5)
        assert bench.gate.shut
        passed: list[bool] = []

        async def wait() -> None:
            await bench.gate.wait()
            passed.append(True)

        async with create_task_group() as tasks:
            tasks.start_soon(wait)
            assert [await bench.get() for _ in range(2)] == [1, 2]
            await wait_all_tasks_blocked()
            assert not passed  # more than half of it is still taken
            assert await bench.get() == 3
        assert passed
        assert [await bench.get() for _ in range(2)] == [4, 5]
    assert bench.subscription.dropped == 0


async def test_who_leaves_holds_nobody_up() -> None:
    bench = Bench(Overflow.WAIT)
    async with bench.subscription:
        bench.put(1, 2, 3, 4)
        assert bench.gate.shut
    assert not bench.gate.shut
    await bench.gate.wait()


async def test_at_its_end_what_is_there_is_read_first() -> None:
    bench = Bench()
    async with bench.subscription:
        bench.put(1)
        bench.subscription.end()
        assert await bench.get() == 1
        with pytest.raises(StopAsyncIteration):
            await bench.get()


async def test_it_is_entered_once_and_read_within() -> None:
    bench = Bench()
    with pytest.raises(LocalProtocolError, match="read within its block"):
        await bench.get()
    async with bench.subscription:
        pass
    with pytest.raises(LocalProtocolError, match="entered once"):
        await bench.subscription.__aenter__()


@pytest.mark.parametrize("options", [{"buffer": 0}, {"buffer_bytes": 0}])
def test_there_is_room_for_something(options: Any) -> None:
    with pytest.raises(LocalProtocolError, match="at least 1 message"):
        Bench(**options)


def test_a_gate_is_shut_while_anybody_holds_it() -> None:
    gate = Gate()
    gate.hold()
    gate.hold()
    gate.release()
    assert gate.shut
    gate.release()
    assert not gate.shut


async def test_each_subscription_of_a_topic_gets_each_message() -> None:
    one, two = Bench(), Bench()
    subscriptions = Subscriptions()
    assert subscriptions.add(one.subscription)
    assert not subscriptions.add(two.subscription)
    assert "t" in subscriptions
    async with one.subscription, two.subscription:
        subscriptions.deliver(message(1))
        assert (await one.get(), await two.get()) == (1, 1)
        assert not subscriptions.remove(one.subscription)
        subscriptions.deliver(message(2))
        assert one.subscription.waiting == 0
        assert subscriptions.remove(two.subscription)
        assert not subscriptions.remove(two.subscription)
        subscriptions.deliver(message(3))
        assert "t" not in subscriptions
