"""Sharing and fetching, among hosts."""

import time
from collections.abc import Awaitable, Callable
from hashlib import sha256
from types import SimpleNamespace
from typing import Any

import pytest
from anyio import EndOfStream, Event, fail_after, sleep, sleep_forever

from p2pstack import Host, LocalProtocolError, Memory, MemoryNetwork, RemoteProtocolError, Stream, StreamReset
from p2pstack.apps.share import channel, downloads, service, uploads
from p2pstack.apps.share.messages import (
    MAX_ASKED,
    MAX_REPLY,
    MAX_WINDOW,
    Gained,
    Grant,
    Have,
    Pass,
    Piece,
    Request,
    Want,
    decode_wish,
    encode,
)
from p2pstack.apps.share.pauses import Pauses
from p2pstack.apps.share.service import Phase, Share, ShareConfig

PATIENCE = 120


def host(network: MemoryNetwork, share: Any) -> Host:
    return Host(listen=["/memory/0"], transports=[Memory(network=network)], services=[share])


Answer = Callable[[Stream], Awaitable[None]]


class Stranger:
    """Says of a content what others make it say."""

    def __init__(self, content: bytes, describe: Answer, serve: Answer | None = None) -> None:
        self._name = f"/p2pstack/share/{content.hex()}"
        self._describe = describe
        self._serve = serve

    async def run(self, host: Any, *, task_status: Any) -> None:
        host.handle(f"{self._name}/manifest/1.0.0", handler=self._describe)
        if self._serve is not None:
            host.handle(f"{self._name}/1.0.0", handler=self._serve)
        task_status.started()


def saying(data: bytes) -> Answer:
    async def say(stream: Stream) -> None:
        await stream.send(data)

    return say


def fetcher(memory: SimpleNamespace, content: bytes, *bootstrap: Host, **config: Any) -> Share:
    addrs = [str(one.addrs[0]) for one in bootstrap]
    return Share(content, memory.sink, bootstrap=addrs, config=ShareConfig(**config))


async def test_what_one_has_another_fetches(memory: SimpleNamespace) -> None:
    network, source = MemoryNetwork(), memory.source(20)
    share = Share(source.manifest.id, source)
    async with host(network, share) as one:
        get = fetcher(memory, source.manifest.id, one)
        assert get.phase is Phase.LOOKING
        assert (get.done, get.sent, get.manifest) == (0, 0, None)
        async with host(network, get):
            with fail_after(PATIENCE):
                await get.finished.wait()
            assert get.phase is share.phase is Phase.COMPLETE
            assert get.done == share.sent == source.manifest.size == sum(get.received.values())
            assert get.path is not None


async def test_what_is_fetched_is_served_when_the_source_is_gone(memory: SimpleNamespace) -> None:
    network, source = MemoryNetwork(), memory.source(8)
    async with host(network, Share(source.manifest.id, source)) as one:
        first = fetcher(memory, source.manifest.id, one)
        async with host(network, first) as two:
            with fail_after(PATIENCE):
                await first.finished.wait()
            await one.disconnect(two.peer_id)
            second = fetcher(memory, source.manifest.id, two, threads=False)
            async with host(network, second):
                with fail_after(PATIENCE):
                    await second.finished.wait()
                assert first.sent == source.manifest.size


async def test_those_who_fetch_at_the_same_time_give_to_each_other(
    memory: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, source = MemoryNetwork(), memory.source(64)
    read = source.read

    def read_slowly(index: int) -> Any:  # from a disk, so that the others have time to meet
        time.sleep(0.01)
        return read(index)

    monkeypatch.setattr(source, "read", read_slowly)
    monkeypatch.setattr(source, "at_hand", lambda index: False)
    share = Share(source.manifest.id, source, config=ShareConfig(slots=1))
    async with host(network, share) as one:
        shares = [fetcher(memory, source.manifest.id, one, window=2) for _ in range(3)]
        async with host(network, shares[0]), host(network, shares[1]), host(network, shares[2]):
            with fail_after(PATIENCE):
                for get in shares:
                    await get.finished.wait()
            assert sum(get.sent for get in shares) > 0
            assert share.sent + sum(get.sent for get in shares) >= 3 * source.manifest.size


async def test_memory_for_two_pieces_is_enough(memory: SimpleNamespace) -> None:
    network, source = MemoryNetwork(), memory.source(16)
    async with host(network, Share(source.manifest.id, source)) as one:
        get = fetcher(memory, source.manifest.id, one, room=0)
        async with host(network, get):
            with fail_after(PATIENCE):
                await get.finished.wait()


async def test_a_disk_that_is_full_ends_it(memory: SimpleNamespace) -> None:
    network, source = MemoryNetwork(), memory.source(4)

    def small(manifest: Any) -> Any:
        store = memory.sink(manifest)
        store.full = True
        return store

    async with host(network, Share(source.manifest.id, source)) as one:
        get = Share(source.manifest.id, small, bootstrap=[str(one.addrs[0])])
        with pytest.raises(BaseExceptionGroup) as failed:
            async with host(network, get):
                await get.finished.wait()
        assert failed.group_contains(OSError, match="No space left")


@pytest.mark.parametrize("wrong", [{"slots": 0}, {"window": 0}, {"window": 65}, {"room": -1}, {"neighbours": 0}])
def test_a_configuration_that_makes_no_sense_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(LocalProtocolError):
        ShareConfig(**wrong)  # pyright: ignore[reportArgumentType]


# --- hostile ones that serve


def piece_of(source: Any, index: int, data: bytes | None = None, proof: bytes | None = None) -> bytes:
    good = b"".join(source.read(index))
    return encode(Piece(index, source.tree.proof(index) if proof is None else proof)) + (data or good)


async def serve(stream: Stream, source: Any, lie: str) -> None:
    """Serve pieces, but not as one should."""
    everything = (1 << source.manifest.count) - 1
    have = encode(Have(everything.to_bytes(-(-source.manifest.count // 8), "little")))
    match lie:
        case "silent":
            await sleep_forever()
        case "noise":
            await stream.send(b"\0\0\0\4\xc1\xc1\xc1\xc1")
        case "oversize":
            await stream.send((MAX_REPLY + 1).to_bytes(4, "big") + bytes(100))
        case "pieces that do not exist":
            await stream.send(encode(Have(b"\xff" * 100)))
        case "twice":
            await stream.send(have + have)
        case "not first":
            await stream.send(encode(Gained([1])))
        case "unasked turns":
            await stream.send(have + encode(Grant([0] * MAX_WINDOW)))
        case "unasked pieces":
            await stream.send(have + piece_of(source, 0))
        case "ends":
            await stream.send(have)
            return
        case _:
            await stream.send(have)
            await stream.receive()
            await stream.send(encode(Grant([3])))
            data = await stream.receive()
            while data[4:6] != b"\x92\x02":  # `Request`
                data = await stream.receive()
            index = data[6]
            match lie:
                case "false pieces":
                    await stream.send(piece_of(source, index, bytes(source.manifest.length(index))))
                case "false proofs":
                    await stream.send(piece_of(source, index, proof=bytes(32 * source.tree.depth)))
                case "short proofs":
                    await stream.send(piece_of(source, index, proof=b""))
                case "half a piece":
                    await stream.send(piece_of(source, index)[:-100])
                    return
                case "endless":
                    while True:
                        await stream.send(encode(Gained([0])))
                case "drop by drop":
                    await stream.send(piece_of(source, index)[:-10_000])
                    while True:
                        await stream.send(b"!")
                        await sleep(0.01)
                case _:  # silent in the middle
                    await stream.send(piece_of(source, index)[:-100])
    await sleep_forever()


LIES = [
    ("silent", False),
    ("noise", True),
    ("oversize", True),
    ("pieces that do not exist", True),
    ("twice", True),
    ("not first", True),
    ("unasked turns", True),
    ("unasked pieces", True),
    ("ends", False),
    ("false pieces", True),
    ("false proofs", True),
    ("short proofs", True),
    ("half a piece", False),
    ("silent in the middle", False),
    ("drop by drop", False),
    ("endless", False),
]
LATE = {"silent", "silent in the middle", "endless", "drop by drop"}  # asked again after longer and longer pauses


@pytest.mark.parametrize(("lie", "banned"), LIES)
async def test_a_peer_that_serves_badly_costs_no_more_than_a_piece(
    memory: SimpleNamespace, lie: str, banned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not banned:  # what is no mistake takes too long
        if lie == "drop by drop":
            monkeypatch.setattr(downloads, "_DEADLINE", 0.3)
            monkeypatch.setattr(downloads, "_LEAST_RATE", 1 << 30)
        else:
            monkeypatch.setattr(downloads, "_SILENCE", 0.3)
    late: list[bool] = []
    begin = Pauses[Any].begin

    def note(it: Pauses[Any], peer: object, now: float, **how: bool) -> None:
        late.append(how.get("late", False))
        begin(it, peer, now, **how)

    monkeypatch.setattr(Pauses, "begin", note)
    network, source = MemoryNetwork(), memory.source(8)
    content = source.manifest.id
    met: list[str] = []

    async def answer(stream: Stream) -> None:
        met.append(lie)
        await serve(stream, source, lie)

    async with host(network, Stranger(content, saying(source.manifest.encode()), answer)) as liar:
        get = fetcher(memory, content, liar)
        async with host(network, get) as ours:
            await memory.until(lambda: met)
            if lie in LATE:
                await memory.until(lambda: any(late))
            await memory.until(lambda: liar.peer_id in get.banned if banned else len(met) > 1 or not get.downloads)
            async with host(network, Share(content, source)) as honest:
                await ours.connect(honest.addrs[0])
                with fail_after(PATIENCE):
                    await get.finished.wait()
                assert get.received == {honest.peer_id: source.manifest.size}
                assert (liar.peer_id in get.banned) == banned
    assert any(late) == (lie in LATE)


async def test_a_peer_that_promises_all_and_sends_nothing_does_not_stop_the_others(
    memory: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "_SILENCE", 2 * PATIENCE)  # it is not even ended
    monkeypatch.setattr(downloads, "_DEADLINE", 2 * PATIENCE)
    network, source = MemoryNetwork(), memory.source(8)
    content = source.manifest.id
    promised = Event()

    async def answer(stream: Stream) -> None:
        await stream.send(encode(Have(b"\xff")))
        wishes = channel.Channel(stream, decode_wish, limit=MAX_ASKED)
        while True:
            match await wishes.receive():
                case Want(count):
                    await stream.send(encode(Grant([0] * count)))
                case _:
                    promised.set()

    async with host(network, Stranger(content, saying(source.manifest.encode()), answer)) as idler:
        get = fetcher(memory, content, idler, room=0)
        async with host(network, get) as ours, host(network, Share(content, source)) as honest:
            with fail_after(PATIENCE):
                await promised.wait()
                await ours.connect(honest.addrs[0])
                await get.finished.wait()
            assert get.received == {honest.peer_id: source.manifest.size}


async def test_a_peer_that_does_not_read_what_is_said_to_it_is_dropped(
    memory: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel, "_MAX_PENDING", -1)
    network, source = MemoryNetwork(), memory.source(2)
    async with host(network, Share(source.manifest.id, source)) as one:
        get = fetcher(memory, source.manifest.id, one)
        async with host(network, get):
            await memory.until(lambda: one.peer_id in get.banned)


@pytest.mark.parametrize("lie", ["noise", "endless", "silent", "another"])
async def test_a_manifest_that_is_false_is_not_believed(
    memory: SimpleNamespace, lie: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if lie == "silent":
        monkeypatch.setattr(service, "_MANIFEST_DEADLINE", 0.3)
    network, source = MemoryNetwork(), memory.source(4)
    content = source.manifest.id
    met: list[str] = []

    async def describe(stream: Stream) -> None:
        met.append(lie)
        match lie:
            case "noise":
                await stream.send(b"noise")
            case "another":
                await stream.send(memory.source(5).manifest.encode())
            case "endless":
                while True:
                    await stream.send(bytes(1 << 16))
            case _:
                await sleep_forever()

    async with host(network, Stranger(content, describe)) as liar:
        get = fetcher(memory, content, liar)
        async with host(network, get) as ours:
            await memory.until(lambda: met)
            async with host(network, Share(content, source)) as honest:
                await ours.connect(honest.addrs[0])
                with fail_after(PATIENCE):
                    await get.finished.wait()
                if lie != "silent":
                    assert liar.peer_id in get.banned


async def test_what_the_hash_stands_for_and_is_no_manifest_ends_it_at_once(memory: SimpleNamespace) -> None:
    network, content = MemoryNetwork(), sha256(b"noise").digest()

    async with host(network, Stranger(content, saying(b"noise"))) as liar:
        with pytest.raises(BaseExceptionGroup) as failed:
            async with host(network, fetcher(memory, content, liar)):
                with fail_after(PATIENCE):
                    await sleep_forever()
        assert failed.group_contains(RemoteProtocolError, match="not a manifest")


# --- hostile ones that fetch


async def ask(stream: Stream, *messages: Any) -> None:
    await stream.send(b"".join(map(encode, messages)))


async def endless_noise(stream: Stream) -> None:
    while True:
        await stream.send(b"\xff" * 1024)


async def greed(stream: Stream) -> None:
    await ask(stream, Want(MAX_WINDOW), Want(1))


async def cut_in(stream: Stream) -> None:
    await ask(stream, Request(0))


async def pass_unasked(stream: Stream) -> None:
    await ask(stream, Pass())


async def ask_for_what_is_not(stream: Stream) -> None:
    await ask(stream, Want(1))
    while encode(Grant([0]))[4:6] not in await stream.receive():
        pass
    await ask(stream, Request(60_000))


async def take_no_turn(stream: Stream) -> None:
    await ask(stream, Want(8))


@pytest.mark.parametrize(
    "attack",
    [endless_noise, greed, cut_in, pass_unasked, ask_for_what_is_not, take_no_turn],
    ids=lambda it: it.__name__,
)
async def test_a_peer_that_fetches_badly_is_dropped_and_others_are_served(
    memory: SimpleNamespace, attack: Callable[[Stream], Awaitable[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "_TURN_DEADLINE", 0.2)
    monkeypatch.setattr(uploads, "_LONG_INTERVAL", 0.05)
    network, source = MemoryNetwork(), memory.source(8)
    share = Share(source.manifest.id, source, config=ShareConfig(slots=2))
    async with host(network, share) as one, Host(transports=[Memory(network=network)]) as attacker:
        async with await attacker.open_stream(one.addrs[0], share.protocol) as stream:
            with fail_after(PATIENCE), pytest.raises((StreamReset, EndOfStream)):
                await attack(stream)
                while True:
                    await stream.receive()
        get = fetcher(memory, source.manifest.id, one)
        async with host(network, get):
            with fail_after(PATIENCE):
                await get.finished.wait()


async def test_who_takes_nothing_holds_a_slot_only_for_so_long(
    memory: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "_PART_DEADLINE", 0.2)
    monkeypatch.setattr(uploads, "_LONG_INTERVAL", 0.05)
    network, source = MemoryNetwork(), memory.source(2, 1 << 20)
    share = Share(source.manifest.id, source, config=ShareConfig(slots=1))
    async with host(network, share) as one, Host(transports=[Memory(network=network)]) as sloth:  # noqa: SIM117
        async with await sloth.open_stream(one.addrs[0], share.protocol) as stream:
            await ask(stream, Want(1))
            received = b""
            while encode(Grant([0]))[4:6] not in received:
                received += await stream.receive()
            await ask(stream, Request(0))  # and never reads it
            get = fetcher(memory, source.manifest.id, one)
            async with host(network, get):
                with fail_after(PATIENCE):
                    await get.finished.wait()


async def test_a_file_that_cannot_be_read_is_no_end_of_the_host(
    memory: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    network, source = MemoryNetwork(), memory.source(2)
    broken = memory.source(2)

    def fail(index: int) -> bytes:
        raise OSError("the file has changed")

    broken.read = fail
    async with host(network, Share(source.manifest.id, broken)) as one:
        get = fetcher(memory, source.manifest.id, one)
        async with host(network, get) as ours:
            await memory.until(lambda: "the file has changed" in caplog.text)
            async with host(network, Share(source.manifest.id, source)) as whole:
                await ours.connect(whole.addrs[0])
                with fail_after(PATIENCE):
                    await get.finished.wait()


async def test_who_has_lied_is_not_served(memory: SimpleNamespace) -> None:
    network, source = MemoryNetwork(), memory.source(2)
    share = Share(source.manifest.id, source)
    async with host(network, share) as one, Host(transports=[Memory(network=network)]) as liar:
        await share.ban(one, liar.peer_id, "a lie")
        with fail_after(PATIENCE), pytest.raises(StreamReset):
            async with await liar.open_stream(one.addrs[0], share.protocol) as stream:
                await stream.receive()
