"""The messages of one host of the demo: publishes at a steady pace, and counts what comes, from whom, and how late.

All hosts are on one machine, whose clock tells how long a message was under way.
"""

import json
import time
from collections import Counter
from collections.abc import Callable

import anyio

from p2pstack.pubsub import GossipSub, Message, TopicSubscription

__all__ = ["TOPIC", "Chatter"]

TOPIC = "demo"
#: between two lines, in seconds
_REPORT_INTERVAL = 0.25

Report = Callable[..., None]


class Chatter:
    """Counts, and publishes from `speak` to `quiet`.

    :param name: who it is for the others
    """

    def __init__(self, pubsub: GossipSub, name: str) -> None:
        self._pubsub = pubsub
        self._name = name
        self._published = 0
        self._received = Counter[str]()
        self._seen = set[tuple[str, int]]()
        self._twice = 0
        self._delays: list[float] = []
        self._speaking = anyio.CancelScope()

    def quiet(self) -> None:
        """Publish no more; count on."""
        self._speaking.cancel()

    async def run(self, report: Report) -> None:
        """Take part until cancelled."""
        async with self._pubsub.subscribe(TOPIC) as messages, anyio.create_task_group() as tasks:
            tasks.start_soon(self._count, messages)
            while True:
                await anyio.sleep(_REPORT_INTERVAL)
                delays, self._delays = self._delays, []
                report(
                    event="messages",
                    mesh=len(self._pubsub.mesh(TOPIC)),
                    published=self._published,
                    received=self._received,
                    twice=self._twice,
                    delays_ms=[round(delay * 1e3, 3) for delay in delays],
                )

    async def speak(self, interval: float) -> None:
        """Publish a message each `interval` seconds."""
        with self._speaking:
            while True:
                body = {"from": self._name, "number": self._published, "at": time.monotonic()}
                self._published += 1
                await self._pubsub.publish(TOPIC, json.dumps(body).encode())
                await anyio.sleep(interval)

    async def _count(self, messages: TopicSubscription[Message]) -> None:
        async for message in messages:
            body = json.loads(message.data)
            name, number = body["from"], body["number"]
            if (name, number) in self._seen:
                self._twice += 1
                continue
            self._seen.add((name, number))
            self._received[name] += 1
            if name != self._name:
                self._delays.append(time.monotonic() - body["at"])
