"""What peers tell of themselves: too much, too late, in pieces, of others, or nothing of the kind."""

from collections.abc import Sequence

import pytest
from anyio import Event, create_task_group, current_time
from anyio.lowlevel import checkpoint
from multiaddr import Multiaddr

from p2pstack import KeyType, P2PError, PrivateKey, RemoteProtocolError
from p2pstack.abc.events import LimitHit, PeerIdentified
from p2pstack.protocols.identify import Identify

from .attacker import (
    DATA,
    FIN,
    HEADER,
    RST,
    WINDOW_UPDATE,
    Attacker,
    data,
    delimited,
    field,
    frame,
    line,
    signed_record,
)
from .attacker import varint as number
from .scene import ALMOST, BRIEF, SOON, Scene, scene

PUSH = "/ipfs/id/push/1.0.0"
VICTIM = PrivateKey.generate()
ELSEWHERE = Multiaddr("/ip4/192.0.2.7/tcp/4001").to_bytes()


def addr(n: int) -> bytes:
    return Multiaddr(f"/ip4/10.0.{n // 256}.{n % 256}/tcp/1").to_bytes()


def key(kind: int, body: bytes) -> bytes:
    """A public key as it travels."""
    return b"\x08" + bytes([kind]) + field(2, body)


#: What is told, in messages, and what that is called.
NONSENSE: dict[str, tuple[Sequence[bytes], str]] = {
    "a message of 8,193 bytes": ([delimited(field(6, "x" * 8_190))], "at most 8192 bytes, got a length of 8193"),
    "a message of 4 GiB": ([number(1 << 32)], "at most 8192 bytes, got a length of 4294967296"),
    "a length without end": ([b"\x80" * 9], "varint: expected at most 9 bytes"),
    "an 11th message": ([delimited(field(6, "x"))] * 11, "at most 10 messages, got more"),
    "messages without end": ([b"\x00" * 100_000], "at most 10 messages, got more"),
    "no protobuf": ([delimited(b"\xff" * 20)], "expected a protobuf message"),
    "text that is none": ([delimited(field(6, b"\xff\xfe"))], "expected a protobuf message"),
    "half a message": ([delimited(field(6, "x" * 100))[:50]], "got the end of the stream 50 bytes into it"),
    "nothing": ([], "got the end of the stream 0 bytes into it"),
    "the key of somebody else": ([delimited(field(1, VICTIM.public_key.to_protobuf()))], "expected the key of"),
    "a key with a DER length of 2 GiB": ([delimited(field(1, key(0, b"\x30\x84\x7f\xff\xff\xff")))], "PKIX in DER"),
    "a key of no kind": ([delimited(field(1, key(9, bytes(32))))], "key"),
    "a key of no bytes": ([delimited(field(1, key(1, b"")))], "key"),
}


async def outcome(s: Scene, attacker: Attacker) -> PeerIdentified | P2PError | TimeoutError:
    """What came of asking the attacker who it is."""
    (connection,) = s.host.connections_to(attacker.peer_id)
    try:
        return await s.identify.wait(connection)
    except (P2PError, TimeoutError) as error:
        return error


@pytest.mark.parametrize("told", NONSENSE)
async def test_nonsense_is_no_identity_and_costs_its_stream_only(told: str) -> None:
    messages, text = NONSENSE[told]
    async with scene() as s, await s.attacker() as attacker:
        began = current_time()
        stream = await attacker.identify(*messages)
        error = await outcome(s, attacker)
        assert current_time() - began < SOON
        assert isinstance(error, RemoteProtocolError)
        assert text in str(error)
        await attacker.until_end(stream)
        assert s.host.peerstore.addrs(attacker.peer_id) == ()
        assert s.host.peerstore.protocols(attacker.peer_id) == frozenset()
        await attacker.ping(1)


@pytest.mark.parametrize("told", NONSENSE)
async def test_nonsense_that_is_pushed_changes_nothing(told: str) -> None:
    messages, _ = NONSENSE[told]
    async with scene() as s, await s.attacker() as attacker:
        await attacker.identify(delimited(field(3, "/x/1") + field(2, ELSEWHERE)))
        before = await outcome(s, attacker)
        await push(attacker, 1, *messages)
        await attacker.until(WINDOW_UPDATE, RST, stream=1)
        assert await outcome(s, attacker) is before
        assert s.host.peerstore.protocols(attacker.peer_id) == {"/x/1"}
        await attacker.ping(3)


async def push(attacker: Attacker, stream: int, *messages: bytes) -> None:
    await attacker.open(stream, PUSH)
    for message in messages:
        await attacker.send_frames(data(stream, message))
    await attacker.send_frames(frame(WINDOW_UPDATE, FIN, stream, 0))


async def test_who_does_not_say_who_it_is_is_asked_no_longer() -> None:
    async with scene(services=[Identify(timeout=BRIEF)]) as s, await s.attacker() as attacker:
        stream = await attacker.accept_identify()
        error = await outcome(s, attacker)
        assert isinstance(error, TimeoutError)
        assert "did not identify itself in 0.6 s" in str(error)
        await attacker.until(WINDOW_UPDATE, RST, stream=stream)
        await attacker.ping(1)


@pytest.mark.parametrize("pushed", [False, True], ids=["asked", "pushed"])
async def test_a_byte_now_and_then_buys_no_time(pushed: bool) -> None:
    async with scene(services=[Identify(timeout=BRIEF)]) as s, await s.attacker() as attacker:
        began = current_time()
        if pushed:
            await attacker.identify(delimited(b""))
            stream = 1
            await attacker.open(stream, PUSH)
        else:
            stream = await attacker.accept_identify()
            await attacker.send_frames(data(stream, HEADER + line("/ipfs/id/1.0.0")))
        over = Event()
        async with create_task_group() as tasks:

            async def drip() -> None:
                rest = iter(delimited(field(6, "x" * 8_000)))
                while not over.is_set():
                    await attacker.send_frames(data(stream, bytes([next(rest)])))
                    await s.ping()

            tasks.start_soon(drip)
            await attacker.until(WINDOW_UPDATE, RST, stream=stream)
            over.set()
        assert ALMOST <= current_time() - began < SOON
        await attacker.ping(3)


# --- too much


async def test_of_two_thousand_protocols_1_024_are_kept_and_all_are_told() -> None:
    names = [f"/protocol/{n}" for n in range(2_000)]
    messages = [delimited(b"".join(field(3, name) for name in names[at : at + 200])) for at in range(0, 2_000, 200)]
    async with scene() as s, await s.attacker() as attacker:
        await attacker.identify(*messages)
        identified = await outcome(s, attacker)
        assert isinstance(identified, PeerIdentified)
        assert identified.protocols == tuple(names[:1_024])
        assert s.host.peerstore.protocols(attacker.peer_id) == frozenset(names[:1_024])
        (hit,) = s.hits("protocols and addresses of one peer")
        assert hit == LimitHit("protocols and addresses of one peer", 1_524, 1_524 + 976, attacker.peer_id)
        await attacker.ping(1)
    assert len(s.host.peerstore.protocols(attacker.peer_id)) == 0  # too many to keep of somebody who is gone


async def test_of_six_hundred_addresses_500_are_told_and_64_kept() -> None:
    addrs = [addr(n) for n in range(600)]
    messages = [delimited(b"".join(field(2, one) for one in addrs[at : at + 300])) for at in (0, 300)]
    async with scene() as s, await s.attacker() as attacker:
        await attacker.identify(*messages)
        identified = await outcome(s, attacker)
        assert isinstance(identified, PeerIdentified)
        assert [one.to_bytes() for one in identified.listen_addrs] == addrs[:500]
        assert len(s.host.peerstore.addrs(attacker.peer_id)) == 64
        assert s.hits("protocols and addresses of one peer")
        await attacker.ping(1)


async def test_addresses_that_are_none_are_left_out() -> None:
    told = [b"", b"\xff" * 100, b"\x04\x7f", b"\x04" * 52, ELSEWHERE, b"\x35\xff\xff\xff\xff\x7fdns", ELSEWHERE[:-1]]
    async with scene() as s, await s.attacker() as attacker:
        await attacker.identify(delimited(b"".join(field(2, one) for one in told) + field(4, b"\xfe" * 50)))
        identified = await outcome(s, attacker)
        assert isinstance(identified, PeerIdentified)
        assert [one.to_bytes() for one in identified.listen_addrs] == [ELSEWHERE]
        assert identified.observed_addr is None
        await attacker.ping(1)


async def test_versions_as_long_as_a_message_are_cut() -> None:
    async with scene() as s, await s.attacker() as attacker:
        await attacker.identify(delimited(field(6, "a" * 4_000) + field(5, "p" * 4_000)))
        identified = await outcome(s, attacker)
        assert isinstance(identified, PeerIdentified)
        assert (identified.agent_version, identified.protocol_version) == ("a" * 256, "p" * 256)


async def test_pushes_without_end_are_refused_and_told() -> None:
    async with scene() as s, await s.attacker() as attacker:
        await attacker.identify(delimited(field(3, "/x/1")))
        for n in range(50):
            await push(attacker, 2 * n + 1, delimited(field(3, f"/x/{n}")))
        refused = 0
        while refused < 40:
            refused += bool((await attacker.until(WINDOW_UPDATE, RST)).stream % 2)
        hits = s.hits("identify pushes of one peer at once") + s.hits(f"inbound streams of one peer for {PUSH}")
        assert len(hits) == 40
        await attacker.ping(1_001)


# --- records


async def test_records_of_strangers_are_not_kept() -> None:
    strangers = [PrivateKey.generate() for _ in range(10)]
    records = [delimited(field(8, signed_record(stranger, addrs=[ELSEWHERE]))) for stranger in strangers]
    async with scene() as s, await s.attacker() as attacker:
        known = set(s.host.peerstore.peers)
        await attacker.identify(records[0])
        assert isinstance(await outcome(s, attacker), PeerIdentified)
        for n, record in enumerate(records[1:]):
            await push(attacker, 2 * n + 1, record)
            await attacker.until(WINDOW_UPDATE, FIN, stream=2 * n + 1)
        assert set(s.host.peerstore.peers) == known
        assert all(s.host.peerstore.record(stranger.peer_id) is None for stranger in strangers)
        assert s.host.peerstore.addrs(attacker.peer_id) == ()


@pytest.mark.parametrize(
    "forgery", ["about another", "by another", "changed", "for something else", "no record", "no envelope"]
)
async def test_a_forged_record_is_dropped(forgery: str) -> None:
    async with scene() as s, await s.attacker() as attacker:
        me = attacker.identity
        record = {
            "about another": signed_record(me, VICTIM.peer_id, addrs=[ELSEWHERE]),
            "by another": signed_record(VICTIM, me.peer_id, addrs=[ELSEWHERE]),
            "changed": signed_record(me, addrs=[ELSEWHERE]).replace(ELSEWHERE, addr(1)),
            "for something else": signed_record(me, addrs=[ELSEWHERE], domain=b"libp2p-relay-rsvp"),
            "no record": field(1, me.public_key.to_protobuf()) + field(3, b"\xff") + field(5, bytes(64)),
            "no envelope": b"\xff" * 100,
        }[forgery]
        await attacker.identify(delimited(field(3, "/x/1") + field(8, record)))
        assert isinstance(await outcome(s, attacker), PeerIdentified)
        for peer in (attacker.peer_id, VICTIM.peer_id):
            assert s.host.peerstore.record(peer) is None
            assert s.host.peerstore.addrs(peer) == ()
        await attacker.ping(1)


async def test_a_newer_record_takes_the_place_of_all_addresses_and_an_older_one_does_not() -> None:
    async with scene() as s, await s.attacker() as attacker:
        store, peer = s.host.peerstore, attacker.peer_id
        for n, (seq, told) in enumerate([(5, [addr(1), addr(2)]), (7, [addr(3)]), (6, [addr(4)]), (1, [])]):
            message = delimited(field(2, addr(9)) + field(8, signed_record(attacker.identity, seq=seq, addrs=told)))
            if n:
                await push(attacker, 2 * n - 1, message)
                await attacker.until(WINDOW_UPDATE, FIN, stream=2 * n - 1)
            else:
                await attacker.identify(message)
                await outcome(s, attacker)
            expected = [addr(1), addr(2)] if seq == 5 else [addr(3)]
            assert [one.to_bytes() for one in store.addrs(peer)] == expected


@pytest.mark.parametrize("seq", [0, (1 << 64) - 1])
async def test_a_record_without_addresses_is_one(seq: int) -> None:
    async with scene() as s, await s.attacker() as attacker:
        await attacker.identify(delimited(field(8, signed_record(attacker.identity, seq=seq))))
        identified = await outcome(s, attacker)
        assert isinstance(identified, PeerIdentified)
        assert s.host.peerstore.record(attacker.peer_id) is not None
        assert s.host.peerstore.addrs(attacker.peer_id) == ()
        await attacker.ping(1)


async def test_strangers_that_come_and_go_leave_little() -> None:
    messages = [
        delimited(b"".join(field(3, f"/a/protocol/of/mine/{n}") for n in range(250))),
        delimited(b"".join(field(2, addr(n)) for n in range(500))),
        delimited(field(6, "a" * 8_000)),
    ]
    async with scene() as s:
        store = s.host.peerstore
        for kind in (KeyType.ED25519, KeyType.RSA, KeyType.ED25519):
            async with await s.attacker(identity=PrivateKey.generate(kind)) as attacker:
                await attacker.identify(*messages)
                assert isinstance(await outcome(s, attacker), PeerIdentified)
            await s.end_of(attacker.peer_id)
            while s.host.connections_to(attacker.peer_id):
                await checkpoint()
            assert store.protocols(attacker.peer_id) == frozenset()
            assert sum(len(one.to_bytes()) + 64 for one in store.addrs(attacker.peer_id)) <= 4_096
            assert len(store.agent_version(attacker.peer_id) or "") == 256


# --- what we tell


async def test_what_is_told_comes_in_messages_that_anybody_takes() -> None:
    async with scene() as s, await s.attacker() as attacker:
        for n in range(1_000):
            s.host.handle(f"/a/protocol/of/ours/{n}", handler=_never)
        await attacker.open(1, "/ipfs/id/1.0.0")
        told = b""
        while not told or not told.endswith(b"end"):
            got = await attacker.receive_frame()
            if got.stream == 1:
                told += got.body + (b"end" if got.kind == WINDOW_UPDATE and got.flags & FIN else b"")
        told = told[len(HEADER + line("/ipfs/id/1.0.0")) : -3]
        sizes: list[int] = []
        while told:
            size, at = told[0], 1
            if size >= 0x80:
                size, at = size & 0x7F | told[1] << 7, 2
            sizes.append(size)
            told = told[at + size :]
        assert 1 < len(sizes) <= 10
        assert max(sizes) <= 4_096


async def _never(stream: object) -> None:
    raise NotImplementedError


async def test_who_asks_without_end_and_never_reads_is_answered_within_its_windows() -> None:
    async with scene() as s, await s.attacker() as attacker:
        (connection,) = s.host.connections_to(attacker.peer_id)
        session = connection._muxed.session  # type: ignore[attr-defined]
        for n in range(500):
            await attacker.open(2 * n + 1, "/ipfs/id/1.0.0")
            assert session.bytes_queued <= 1 << 20
        await attacker.until(DATA)
        await s.ping()


async def test_who_asks_and_never_reads_has_sixteen_answers_waiting() -> None:
    scope = "inbound streams of one peer for /ipfs/id/1.0.0"
    async with scene() as s:
        for n in range(300):  # an answer larger than the window of its stream
            s.host.handle(f"/{n}/{'a' * 1_000}", handler=_never)
        attacker = await s.attacker()
        for stream in range(1, 61, 2):
            await attacker.open(stream, "/ipfs/id/1.0.0")
        await s.wait_for(lambda: len(s.hits(scope)) == 14)
        assert s.hits(scope)[0] == LimitHit(scope, 16, 16, attacker.peer_id)
        await s.ping()
