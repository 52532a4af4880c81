"""Peers that lie, flood, or say nothing."""

from typing import Any

import anyio
import pytest
from msgspec import msgpack

from p2pstack import GossipSub, Messages, SigningPolicy, Stream
from p2pstack.apps.ledger.ledger import Ledger
from p2pstack.apps.ledger.messages import (
    MAX_REQUEST,
    Body,
    GetBodies,
    GetHeaders,
    Headers,
    NodeRequest,
    decode,
    encode,
    protocol,
)

from .scene import Scene, audit, mined, until

REQUEST = msgpack.Decoder(NodeRequest)


@pytest.fixture(params=[("asyncio", {"use_uvloop": False}), ("trio", {})], ids=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    """Not on all event loops: what is met here is the same on each."""
    return request.param


def chain(scene: Scene, blocks: int) -> Ledger:
    ledger = Ledger(scene.rules)
    for _ in range(blocks):
        scene.extend(ledger)
    return ledger


class Liar:
    """Answers a node's questions out of a ledger, but for what it makes of them."""

    def __init__(self, lie: str, ledger: Ledger) -> None:
        self.lie = lie
        self.ledger = ledger
        self.asked = 0

    async def answer(self, stream: Stream) -> None:
        messages = Messages(stream, limit=1 << 20)
        async for data in messages:
            self.asked += 1
            match decode(data, REQUEST):
                case GetHeaders(locator=locator):
                    await self.headers(messages, self.ledger.chain.after(locator, 500))
                case GetBodies(ids=ids):
                    for block_id in ids:
                        await self.body(messages, self.ledger.store.body(block_id))

    async def headers(self, messages: Messages, headers: list[bytes]) -> None:
        match self.lie:
            case "nothing":
                await anyio.sleep_forever()
            case "noise":
                await messages.send(b"\xff" * 100)
            case "oversize":
                await messages.send(bytes(1 << 19))
            case "the end":
                await messages._stream.aclose()  # type: ignore[attr-defined]
            case "no work":
                await messages.send(encode(Headers(tuple(header[:-1] + b"\x77" for header in headers))))
            case "no chain":
                await messages.send(encode(Headers(tuple(reversed(headers)))))
            case "a gap":
                await messages.send(encode(Headers(tuple(headers[:2] + headers[3:]))))
            case "no header":
                await messages.send(encode(Headers((b"short",))))
            case _:
                await messages.send(encode(Headers(tuple(headers))))

    async def body(self, messages: Messages, body: bytes | None) -> None:
        match self.lie:
            case "no blocks":
                body = None
            case "wrong blocks":
                body = b"\1" * 152
            case "half a block":
                await messages._stream.send(b"\x40\0\0")  # type: ignore[attr-defined]
                await messages._stream.aclose()  # type: ignore[attr-defined]
                return
            case "blocks never":
                await anyio.sleep_forever()
        await messages.send(encode(Body(body)))


LIES = ["nothing", "noise", "oversize", "the end", "no work", "no chain", "a gap", "no header", "no blocks"]
LIES += ["wrong blocks", "half a block", "blocks never"]


@pytest.mark.parametrize("lie", LIES)
async def test_a_peer_that_lies_about_its_chain_is_asked_no_more(
    start: Any, scene: Scene, lie: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if lie in ("nothing", "blocks never"):
        monkeypatch.setattr("p2pstack.apps.ledger.sync._DEADLINE", 0.1)
    # the liar's chain has more work than the honest one, where there is anything behind it
    true, tempting = chain(scene, 4), chain(scene, 8)
    victim, host = await start(Ledger(scene.rules))
    liar = Liar(lie, tempting)
    _, bad = await start()
    bad.handle(victim._sync, handler=liar.answer)
    await host.connect(bad.addrs[0])
    await until(lambda: bad.peer_id in victim.shunned)
    assert liar.asked
    assert victim.ledger.height == 0
    monkeypatch.undo()
    _, good = await start(true)
    await host.connect(good.addrs[0])
    await until(lambda: victim.ledger.tip == true.tip)
    assert good.peer_id not in victim.shunned
    audit(victim.ledger)


async def test_a_chain_that_spends_what_is_not_there_is_followed_no_further(start: Any, scene: Scene) -> None:
    wrong = chain(scene, 3)
    bad = scene.make(wrong, scene.pay(0, 1, 5_000))
    entry = wrong.chain.check_header(bad.header, bad.id, scene.now, wrong.store.entry)
    wrong.store.add(entry, bad.body)
    wrong.store.append(bad, {})  # as somebody would who has other rules in mind
    victim, host = await start(Ledger(scene.rules))
    _, other = await start(wrong)
    await host.connect(other.addrs[0])
    await until(lambda: other.peer_id in victim.shunned)
    assert "spends" in victim.shunned[other.peer_id][0]
    assert victim.ledger.height == 3  # what was good in it is
    audit(victim.ledger)


async def test_blocks_that_one_peer_withholds_come_from_another(start: Any, scene: Scene) -> None:
    true = chain(scene, 100)
    victim, host = await start(Ledger(scene.rules))
    _, good = await start(true)
    _, bad = await start()
    bad.handle(victim._sync, handler=Liar("wrong blocks", true).answer)
    await host.connect(good.addrs[0])
    await host.connect(bad.addrs[0])
    await until(lambda: victim.ledger.tip == true.tip)
    audit(victim.ledger)


async def test_what_gossip_brings_that_is_wrong_is_held_against_who_brought_it(start: Any, scene: Scene) -> None:
    victim, host = await start(chain(scene, 2))
    scene.now = max(scene.now, int(host.clock() * 1000))
    flood = GossipSub(signing=SigningPolicy.STRICT_NO_SIGN)
    _, bad = await start(services=[flood])
    await bad.connect(host.addrs[0])
    good = scene.make(victim.ledger)
    forged = scene.pay(0, 1, 5)._replace(signature=bytes(64))
    wrong = [
        b"",
        b"noise" * 100,
        bytes(500_000),
        good.to_bytes()[:-1],
        mined(good._replace(header=good.header._replace(difficulty=1))).to_bytes(),
        scene.make(victim.ledger, scene.pay(0, 1, 10_000)).to_bytes(),
        scene.make(victim.ledger, forged).to_bytes(),
    ]
    with anyio.fail_after(120):
        for data in wrong:
            await flood.publish(victim._blocks, data, wait_for_mesh=True)
        await flood.publish(victim._transfers, forged.to_bytes(), wait_for_mesh=True)
        await flood.publish(victim._transfers, b"noise", wait_for_mesh=True)
    await until(lambda: victim.pubsub.stats.rejected == len(wrong) + 2)
    assert victim.pubsub.score(bad.peer_id) < 0
    assert victim.ledger.height == 2
    assert len(victim.ledger.pool) == 0


async def test_orphans_are_few(start: Any, scene: Scene) -> None:
    victim, host = await start(Ledger(scene.rules))
    other = chain(scene, 1)
    flood = GossipSub(signing=SigningPolicy.STRICT_NO_SIGN)
    _, bad = await start(services=[flood])
    await bad.connect(host.addrs[0])
    with anyio.fail_after(120):
        for number in range(victim.config.max_orphans + 20):
            orphan = scene.make(other, later=number)
            await flood.publish(victim._blocks, orphan.to_bytes(), wait_for_mesh=True)
    await until(lambda: orphan.id in victim._orphans)
    assert len(victim._orphans) == victim.config.max_orphans


async def test_what_parts_far_below_has_to_come_with_its_work(start: Any, scene: Scene, long_chain: Ledger) -> None:
    scene.now = long_chain.tip.header.time
    node, host = await start(scene.copy(long_chain))
    scene.now = int(host.clock() * 1000)
    cheap = scene.make(chain(scene, 1))
    tip = node.ledger.tip
    message = type("Message", (), {"data": cheap.to_bytes(), "received_from": None})()
    assert (await node._judge_block(message)).name == "IGNORE"
    assert cheap.id not in node.ledger.store
    assert node.ledger.tip == tip


async def call(stream: Stream, data: bytes) -> None:
    await stream.send(data)
    with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError)):
        while True:
            await stream.receive()


QUESTIONS = [
    b"\xff" * 50,
    encode(GetHeaders((b"short",))),
    encode(GetHeaders((bytes(32),) * 65)),
    encode(GetBodies((bytes(32),) * 33)),
    encode(GetBodies(())),
    bytes(MAX_REQUEST + 1),
]


@pytest.mark.parametrize("what", ["sync/1.0.0", "wallet/1.0.0"])
async def test_questions_that_make_no_sense_end_their_stream_and_nothing_else(
    start: Any, scene: Scene, what: str
) -> None:
    victim, host = await start(chain(scene, 2))
    _, bad = await start()
    name = victim._sync if what.startswith("sync") else protocol("test", what)
    with anyio.fail_after(120):
        for question in QUESTIONS:
            async with await bad.open_stream(host.addrs[0], name) as stream:
                await stream.send(varint(len(question)))
                await call(stream, question)
        async with await bad.open_stream(host.addrs[0], victim._sync) as stream:
            messages = Messages(stream, limit=1 << 20)
            await messages.send(encode(GetBodies((victim.ledger.tip.id, bytes(32)))))
            assert [await messages.receive() for _ in range(2)] == [encode(Body(b"")), encode(Body(None))]


def varint(number: int) -> bytes:
    return bytes([number & 127 | 128, number >> 7]) if number > 127 else bytes([number])


async def test_who_asks_nothing_or_reads_nothing_is_left(
    start: Any, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("p2pstack.apps.ledger.server._PATIENCE", 0.1)
    ledger = Ledger(scene.make_rules(max_transfers=1_000))
    node, host = await start(ledger)
    _, bad = await start()
    with anyio.fail_after(120):
        async with await bad.open_stream(host.addrs[0], node._sync) as stream:
            await stream.send(b"\x05\x00")
            with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
                await stream.receive()


async def test_a_peer_has_few_streams(start: Any, scene: Scene) -> None:
    node, host = await start(Ledger(scene.rules))
    _, bad = await start()
    streams: list[Stream] = []
    with anyio.fail_after(120):
        for _ in range(8):
            streams.append(await bad.open_stream(host.addrs[0], node._sync))
        alive = 0
        for stream in streams:
            messages = Messages(stream, limit=1 << 20)
            try:
                await messages.send(encode(GetHeaders(())))
                await messages.receive()
                alive += 1
            except (anyio.BrokenResourceError, anyio.EndOfStream):
                continue
    assert alive == 4


async def test_what_is_ahead_of_our_clock_waits_and_what_is_before_it_comes(start: Any, scene: Scene) -> None:
    node, host = await start(Ledger(scene.rules))
    ahead = chain(scene, 3)
    scene.now = int(host.clock() * 1000) + 10 * scene.rules.max_skew
    scene.extend(ahead)
    _, other = await start(ahead)
    await host.connect(other.addrs[0])
    await until(lambda: node.ledger.height == 3)
    assert other.peer_id not in node.shunned


async def test_a_short_fork_that_has_no_more_work_costs_no_block(start: Any, scene: Scene) -> None:
    ours = chain(scene, 5)
    theirs = chain(scene, 4)
    node, host = await start(ours)
    liar = Liar("", theirs)
    _, other = await start()
    other.handle(node._sync, handler=liar.answer)
    await host.connect(other.addrs[0])
    await until(lambda: liar.asked >= 2)
    assert theirs.tip.id not in ours.store
    assert other.peer_id not in node.shunned
