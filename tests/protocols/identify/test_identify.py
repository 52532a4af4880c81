"""Peers tell each other who they are, at once and when something changes; what they say of others is not believed."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from anyio import Event, create_task_group, fail_after, sleep_forever, wait_all_tasks_blocked
from multiaddr import Multiaddr

from p2pstack import (
    ConnectionClosed,
    Host,
    Identify,
    KeyType,
    LocalProtocolError,
    NegotiationError,
    PrivateKey,
    RemoteProtocolError,
    Stream,
    StreamReset,
)
from p2pstack.abc.events import LimitHit, ObservedAddress, PeerIdentified
from p2pstack.identity.address import parse_text, with_peer
from p2pstack.identity.envelope import SignedEnvelope
from p2pstack.identity.record import DOMAIN, PeerRecord
from p2pstack.protocols.identify import IDENTIFY, PUSH
from p2pstack.protocols.identify.messages import PeerDescription, encode
from p2pstack.protocols.identify.session import Reader
from p2pstack.wire.framing import encode_frame
from p2pstack.wire.pb.identify_pb2 import Identify as Message

New = Callable[..., Host]
ADDR = parse_text("/ip4/192.0.2.1/tcp/1")


def framed(description: PeerDescription) -> bytes:
    return b"".join(map(encode_frame, encode(description)))


@asynccontextmanager
async def told_by(
    new_host: New, answer: Callable[[Host], bytes], **kwargs: Any
) -> AsyncGenerator[tuple[Host, Host, Identify]]:
    """A host that is connected to a liar, which answers identify with these bytes; the liar; and the host's service."""
    liar = new_host(1, default_services=False, **kwargs)

    async def lie(stream: Stream) -> None:
        await stream.send(answer(liar))

    liar.handle(IDENTIFY, handler=lie)
    service = Identify()
    async with liar, new_host(services=[service]) as host:
        await host.connect(liar.addrs)
        yield host, liar, service


# --- both ways


async def test_both_ends_learn_of_each_other_at_once(new_host: New) -> None:
    async with new_host(1) as server, new_host(2) as client:
        with client.events.subscribe(PeerIdentified) as at_client, server.events.subscribe(PeerIdentified) as at_server:
            connection = await client.connect(server.addrs)
            told = await anext(at_client)
            assert told.peer == server.peer_id
            assert told.connection is connection
            assert told.protocols == tuple(server.protocols)
            assert told.listen_addrs == (parse_text("/memory/1"),)
            assert told.agent_version.startswith("p2pstack")
            assert told.protocol_version == "ipfs/0.1.0"
            assert told.observed_addr == connection.local_addr
            assert told.pushed is False
            assert (await anext(at_server)).peer == client.peer_id
        for here, there, addr in ((client, server, "/memory/1"), (server, client, "/memory/2")):
            store = here.peerstore
            assert store.protocols(there.peer_id) == set(there.protocols)
            assert store.addrs(there.peer_id) == (parse_text(addr),)
            assert store.agent_version(there.peer_id) == told.agent_version
            assert store.record(there.peer_id) is not None


async def test_the_observed_address_is_told(new_host: New) -> None:
    async with new_host(1) as server, new_host() as client:
        with client.events.subscribe(ObservedAddress) as events:
            connection = await client.connect(server.addrs)
            assert await anext(events) == ObservedAddress(server.peer_id, connection.local_addr)


@pytest.mark.parametrize("kind", list(KeyType))
async def test_keys_of_every_kind_are_learnt(new_host: New, kind: KeyType) -> None:
    service = Identify()
    async with new_host(1, key=PrivateKey.generate(kind)) as server, new_host(services=[service]) as client:
        await service.wait(await client.connect(server.addrs))
        assert client.peerstore.public_key(server.peer_id) == server.key.public_key


async def test_a_host_that_listens_nowhere_has_no_record(new_host: New) -> None:
    service = Identify()
    async with new_host(1, services=[service]) as server, new_host() as client:
        with server.events.subscribe(PeerIdentified) as events:
            await client.connect(server.addrs)
            told = await anext(events)
        assert told.listen_addrs == ()
        assert server.peerstore.record(client.peer_id) is None


async def test_what_is_told_of_the_software_can_be_chosen(new_host: New) -> None:
    mine = Identify(agent_version="mine/1", protocol_version="/mine")
    theirs = Identify()
    async with new_host(1, services=[mine]) as server, new_host(services=[theirs]) as client:
        told = await theirs.wait(await client.connect(server.addrs))
        assert (told.agent_version, told.protocol_version) == ("mine/1", "/mine")


async def test_a_record_is_signed_once_for_the_same_addresses(new_host: New) -> None:
    times = iter((5.0, 5.0, 4.0))
    mine = Identify(clock=lambda: next(times))

    async def ask(server: Host) -> SignedEnvelope:
        theirs = Identify()
        async with new_host(services=[theirs]) as client:
            await theirs.wait(await client.connect(server.addrs[0]))
            record = client.peerstore.record(server.peer_id)
            assert record is not None
            return record

    async with new_host(1, services=[mine]) as server:
        first, second = await ask(server), await ask(server)
        assert first.to_bytes() == second.to_bytes()
        await server.listen("/memory/7")
        third = await ask(server)
        assert (PeerRecord.from_envelope(first).seq, PeerRecord.from_envelope(third).seq) == (5_000, 5_001)
        assert len(PeerRecord.from_envelope(third).addrs) == 2


async def test_many_protocols_and_addresses_are_told_in_several_messages(new_host: New) -> None:
    service = Identify()
    announce = [f"/dns4/{'a-rather-long-name.' * 5}{n}.example.com/tcp/1" for n in range(40)]
    server = new_host(1, announce=announce)
    for n in range(500):
        server.handle(f"/protocol/with/a/name/{n}", handler=_never)
    async with server, new_host(services=[service]) as client:
        connection = await client.connect("/memory/1")
        told = await service.wait(connection)
        assert told.protocols == tuple(server.protocols)
        assert len(told.listen_addrs) == 32
        async with await connection.open_stream(IDENTIFY) as stream:
            reader, lengths = Reader(), []
            decoder = reader._decoder
            async for data in stream:
                decoder.receive_data(data)
                while (frame := decoder.next_frame()) is not None:
                    lengths.append(len(frame))
        assert len(lengths) > 1
        assert max(lengths) <= 4_096


async def _never(stream: Stream) -> None:
    raise NotImplementedError


# --- waiting


async def test_all_who_wait_for_a_connection_are_told(new_host: New) -> None:
    service = Identify()
    told: list[PeerIdentified] = []
    async with new_host(1) as server, new_host(services=[service]) as client:
        connection = await client.connect(server.addrs)

        async def wait() -> None:
            told.append(await service.wait(connection))

        async with create_task_group() as tasks:
            tasks.start_soon(wait)
            tasks.start_soon(wait)
        told.append(await service.wait(connection))
    assert len(told) == 3
    assert len({id(one) for one in told}) == 1


async def test_waiting_ends_with_the_connection(new_host: New) -> None:
    answering = Event()

    async def hang(stream: Stream) -> None:
        answering.set()
        await sleep_forever()

    service = Identify()
    async with new_host(1, default_services=False) as server, new_host(services=[service]) as client:
        server.handle(IDENTIFY, handler=hang)
        connection = await client.connect(server.addrs)
        async with create_task_group() as tasks:

            async def wait() -> None:
                with pytest.raises(ConnectionClosed):
                    await service.wait(connection)

            tasks.start_soon(wait)
            await answering.wait()
            await connection.aclose()
        with pytest.raises(ConnectionClosed, match="ended before it was identified"):
            await service.wait(connection)


async def test_a_peer_that_does_not_speak_it_is_not_identified(new_host: New) -> None:
    service = Identify()
    async with new_host(1, default_services=False) as server, new_host(services=[service]) as client:
        with pytest.raises(NegotiationError):
            await service.wait(await client.connect(server.addrs))


async def test_a_peer_that_does_not_answer_is_given_up(new_host: New) -> None:
    async def hang(stream: Stream) -> None:
        await sleep_forever()

    service = Identify(timeout=0.02)
    async with new_host(1, default_services=False) as server, new_host(services=[service]) as client:
        server.handle(IDENTIFY, handler=hang)
        with fail_after(20), pytest.raises(TimeoutError, match=r"did not identify itself in 0\.02 s"):
            await service.wait(await client.connect(server.addrs))


async def test_nothing_is_kept_of_connections_that_ended(new_host: New) -> None:
    service = Identify()
    async with new_host(1) as server, new_host(services=[service]) as client:
        connection = await client.connect(server.addrs)
        await service.wait(connection)
        assert connection in service._outcomes
        await connection.aclose()
        await wait_all_tasks_blocked()
        assert connection not in service._outcomes
        assert service._outcomes._waiting == {}


async def test_lost_events_are_made_up_for(new_host: New) -> None:
    service = Identify()
    async with new_host(1) as one, new_host(2) as two, new_host(services=[service]) as client:
        subscription: Any = next(iter(client.events._subscriptions))  # type: ignore[attr-defined]
        subscription._limit = 1
        async with create_task_group() as tasks:
            tasks.start_soon(client.connect, one.addrs)
            tasks.start_soon(client.connect, two.addrs)
        subscription._limit = 100
        subscription._dropped += 1
        client.handle("/wake/1", handler=_never)
        for connection in client.connections:
            with fail_after(20):
                await service.wait(connection)


# --- what a peer says is not always so


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x80" * 20,
        b"\xff\xff\xff\xff\x0f",
        encode_frame(b"\xff"),
        encode_frame(b"") * 11,
        encode_frame(Message(public_key=b"\x08\x00\x12\x06\x30\x84\x7f\xff\xff\xff").SerializeToString()),
    ],
)
async def test_junk_is_an_error_and_the_connection_is_as_good_as_before(new_host: New, answer: bytes) -> None:
    async with told_by(new_host, lambda liar: answer) as (host, liar, service):
        (connection,) = host.connections
        with fail_after(20), pytest.raises(RemoteProtocolError):
            await service.wait(connection)
        assert not connection.closed
        assert host.peerstore.protocols(liar.peer_id) == frozenset()


async def test_the_key_of_somebody_else_is_refused(new_host: New) -> None:
    stranger = PrivateKey.generate()
    lie = framed(PeerDescription(public_key=stranger.public_key, protocols=("/a/1",)))
    async with told_by(new_host, lambda liar: lie) as (host, liar, service):
        with pytest.raises(RemoteProtocolError, match=f"the key of {liar.peer_id}, got that of {stranger.peer_id}"):
            await service.wait(host.connections[0])
        assert host.peerstore.protocols(liar.peer_id) == frozenset()


async def test_records_of_strangers_are_not_kept(new_host: New) -> None:
    """CVE-2023-40583, RUSTSEC-2022-0009, py-libp2p #1338: a record of somebody else, valid or not."""
    stranger = PrivateKey.generate()
    valid = PeerRecord(stranger.peer_id, 1, (ADDR,)).seal(stranger)
    lie = framed(PeerDescription(signed_record=valid.to_bytes(), listen_addrs=(parse_text("/memory/9"),)))
    async with told_by(new_host, lambda liar: lie) as (host, liar, service):
        await service.wait(host.connections[0])
        assert stranger.peer_id not in host.peerstore.peers
        assert host.peerstore.record(liar.peer_id) is None
        assert host.peerstore.addrs(liar.peer_id) == (parse_text("/memory/9"),)

    async with new_host(1) as server, new_host() as attacker:
        connection = await attacker.connect(server.addrs)
        await _identified(server, attacker)
        known = len(server.peerstore.peers)
        for _ in range(8):  # fewer than are taken at once
            stranger = PrivateKey.generate()
            record = PeerRecord(stranger.peer_id, 1, (ADDR,)).seal(stranger).to_bytes()
            async with await connection.open_stream(PUSH) as stream:
                await stream.send(framed(PeerDescription(signed_record=record)))
                await stream.send_eof()
                assert [chunk async for chunk in stream] == []
        assert len(server.peerstore.peers) == known


@pytest.mark.parametrize("forgery", ["junk", "of another", "another domain"])
async def test_forged_records_are_dropped(new_host: New, forgery: str) -> None:
    def lie(liar: Host) -> bytes:
        honest = PeerRecord(liar.peer_id, 1, (ADDR,)).seal(liar.key)
        if forgery == "junk":
            record = b"junk"
        elif forgery == "of another":
            other = PeerRecord(PrivateKey.generate().peer_id, 1, (ADDR,))
            payload = honest.payload.replace(liar.peer_id.to_bytes(), other.peer_id.to_bytes())
            record = SignedEnvelope.seal(
                liar.key, domain=DOMAIN, payload_type=honest.payload_type, payload=payload
            ).to_bytes()
        else:
            record = SignedEnvelope.seal(
                liar.key, domain="elsewhere", payload_type=honest.payload_type, payload=honest.payload
            ).to_bytes()
        return framed(PeerDescription(signed_record=record, listen_addrs=(parse_text("/memory/9"),)))

    async with told_by(new_host, lie) as (host, liar, service):
        await service.wait(host.connections[0])
        assert host.peerstore.record(liar.peer_id) is None
        assert host.peerstore.addrs(liar.peer_id) == (parse_text("/memory/9"),)


async def test_a_record_without_addresses_is_fine(new_host: New) -> None:
    """CVE-2026-40094."""

    def answer(liar: Host) -> bytes:
        record = PeerRecord(liar.peer_id, 1, ()).seal(liar.key).to_bytes()
        return framed(PeerDescription(signed_record=record))

    async with told_by(new_host, answer) as (host, liar, service):
        told = await service.wait(host.connections[0])
        assert told.listen_addrs == ()
        assert host.peerstore.addrs(liar.peer_id) == ()
        assert host.peerstore.record(liar.peer_id) is not None


async def test_addresses_of_others_and_of_their_own_loopback_are_not_believed(new_host: New) -> None:
    loopback, public = parse_text("/ip4/127.0.0.1/tcp/22"), parse_text("/ip4/192.0.2.9/tcp/1")
    other = PrivateKey.generate().peer_id

    def answer(liar: Host) -> bytes:
        addrs = (loopback, with_peer(public, liar.peer_id), with_peer(ADDR, other))
        return framed(PeerDescription(listen_addrs=addrs))

    async with told_by(new_host, answer) as (host, liar, service):
        told = await service.wait(host.connections[0])
        assert told.listen_addrs == (loopback, public)
        assert host.peerstore.addrs(liar.peer_id) == (loopback, public)

    from p2pstack.protocols.identify.service import _usable

    class Elsewhere:
        remote_addr: Multiaddr = parse_text("/ip4/198.51.100.1/tcp/1")
        remote_peer = other

    elsewhere: Any = Elsewhere()
    assert list(_usable((loopback, public, with_peer(ADDR, other)), elsewhere)) == [public, ADDR]


async def test_too_much_is_cut_and_told(new_host: New) -> None:
    """go-libp2p #3501, over a connection."""
    message = Message(protocols=[f"/{n}" for n in range(200)]).SerializeToString()
    async with told_by(new_host, lambda liar: encode_frame(message) * 10) as (host, liar, service):
        with host.events.subscribe(LimitHit) as events:
            told = await service.wait(host.connections[0])
            assert len(told.protocols) == 1_024
            assert len(host.peerstore.protocols(liar.peer_id)) <= 1_024
            host.events.emit(LimitHit("last", 0, 0))
            assert (await anext(events)).scope in ("protocols and addresses of one peer", "last")


# --- pushes


async def test_changes_that_come_together_are_pushed_together(new_host: New) -> None:
    theirs = Identify()
    async with new_host(1, services=[Identify(push_delay=0.01)]) as server, new_host(services=[theirs]) as client:
        await theirs.wait(await client.connect(server.addrs))
        await _identified(server, client)
        with client.events.subscribe(PeerIdentified) as events:
            for n in range(10):
                server.handle(f"/new/{n}", handler=_never)
            server.unhandle("/new/0")
            told = await anext(events)
            assert told.pushed
            assert set(told.protocols) == set(server.protocols)
            assert client.peerstore.protocols(server.peer_id) == set(server.protocols)
            await server.listen("/memory/3")
            while parse_text("/memory/3") not in told.listen_addrs:
                told = await anext(events)
            assert parse_text("/memory/3") in client.peerstore.addrs(server.peer_id)
            assert (await theirs.wait(client.connections[0])).pushed


async def _identified(here: Host, there: Host) -> None:
    """Until `here` knows what `there` speaks."""
    while not here.peerstore.protocols(there.peer_id):
        await wait_all_tasks_blocked()


async def test_a_push_leaves_what_it_does_not_mention(new_host: New) -> None:
    theirs = Identify()
    async with new_host(1) as server, new_host(services=[theirs]) as client:
        connection = await client.connect(server.addrs)
        await theirs.wait(connection)
        await _identified(server, client)
        before = server.peerstore.protocols(client.peer_id)
        with server.events.subscribe(PeerIdentified, ObservedAddress) as events:
            async with await connection.open_stream(PUSH) as stream:
                await stream.send(framed(PeerDescription(agent_version="renamed/2", observed_addr=ADDR)))
                await stream.send_eof()
                assert [chunk async for chunk in stream] == []
            told = await anext(events)
            assert isinstance(told, PeerIdentified)
            assert told.pushed
        assert server.peerstore.agent_version(client.peer_id) == "renamed/2"
        assert server.peerstore.protocols(client.peer_id) == before


async def test_a_malformed_push_is_reset_and_changes_nothing(new_host: New) -> None:
    theirs = Identify()
    async with new_host(1) as server, new_host(services=[theirs]) as client:
        connection = await client.connect(server.addrs)
        await theirs.wait(connection)
        await _identified(server, client)
        before = server.peerstore.protocols(client.peer_id)
        async with await connection.open_stream(PUSH) as stream:
            await stream.send(encode_frame(b"\xff"))
            with pytest.raises(StreamReset):
                await stream.receive()
        assert server.peerstore.protocols(client.peer_id) == before


async def test_a_push_that_fails_keeps_nobody_else_from_being_told(new_host: New) -> None:
    async def refuse(stream: Stream) -> None:
        stream.reset()

    server = new_host(1, services=[Identify(push_delay=0, max_concurrent_pushes=1)])
    async with server, new_host() as bad, new_host() as good:
        bad.unhandle(PUSH)
        bad.handle(PUSH, handler=refuse)
        await bad.connect(server.addrs)
        await _identified(server, bad)
        await good.connect(server.addrs)
        await _identified(server, good)
        with good.events.subscribe(PeerIdentified) as events:
            server.handle("/new/1", handler=_never)
            with fail_after(20):
                while "/new/1" not in (await anext(events)).protocols:
                    pass


# --- mistakes


@pytest.mark.parametrize("wrong", [{"timeout": 0}, {"push_delay": -1}, {"max_concurrent_pushes": 0}])
def test_limits_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(LocalProtocolError, match="Identify: expected"):
        Identify(**wrong)


def test_a_service_without_a_host_says_so() -> None:
    with pytest.raises(LocalProtocolError, match="Identify is not running: give it to a host"):
        _ = Identify()._running_host
