"""Keys and signatures that prove nothing, and bytes that are not those that were sealed: to a host that is called, and
to one that calls."""

import logging
import os
from collections.abc import Callable

import pytest
from anyio import EndOfStream, create_task_group, current_time
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from p2pstack import DialError, Host, KeyType, PeerIdMismatch, PrivateKey, SecurityError
from p2pstack.errors import P2PError, RemoteProtocolError

from .attacker import DATA, PING, SYN, Attacker, Deaf, data, field, frame, noise_payload
from .scene import SOON, scene

VICTIM = PrivateKey.generate()


def key(kind: int, body: bytes) -> bytes:
    """A public key as it travels."""
    return b"\x08" + bytes([kind]) + field(2, body)


def rsa(bits: int) -> bytes:
    """A key that is as large as that, and belongs to nobody."""
    numbers = RSAPublicNumbers(65_537, (1 << bits - 1) | 1)
    return key(0, numbers.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


#: What the attacker shows, given itself and its static key, and what that is called.
LIES: dict[str, tuple[Callable[[Attacker, bytes], bytes], type[P2PError], str]] = {
    "an RSA key of 8,193 bits": (
        lambda a, static: noise_payload(rsa(8_193), bytes(1_024)),
        RemoteProtocolError,
        "RSA public key: expected 2048 to 8192 bits, got 8193",
    ),
    "an RSA key of 14,000 bits": (
        lambda a, static: noise_payload(rsa(14_000), bytes(1_750)),
        RemoteProtocolError,
        "RSA public key: expected at most 8192 bits",
    ),
    "an RSA key of 1,024 bits": (
        lambda a, static: noise_payload(rsa(1_024), bytes(128)),
        RemoteProtocolError,
        "RSA public key: expected",
    ),
    "a DER length of 2 GiB": (
        lambda a, static: noise_payload(key(0, b"\x30\x84\x7f\xff\xff\xff"), bytes(256)),
        RemoteProtocolError,
        "RSA public key: expected PKIX in DER",
    ),
    "a key of no kind": (lambda a, static: noise_payload(key(9, bytes(32)), bytes(64)), RemoteProtocolError, "key"),
    "no key": (lambda a, static: field(2, bytes(64)), RemoteProtocolError, "key"),
    "a random signature": (
        lambda a, static: noise_payload(a.identity.public_key.to_protobuf(), os.urandom(64)),
        SecurityError,
        "expected the signature of peer",
    ),
    "no signature": (
        lambda a, static: noise_payload(a.identity.public_key.to_protobuf(), b""),
        SecurityError,
        "expected the signature of peer",
    ),
    "the key and signature of somebody else": (
        lambda a, static: noise_payload(VICTIM.public_key.to_protobuf(), a.overheard),
        SecurityError,
        f"expected the signature of peer {VICTIM.peer_id}",
    ),
    "junk": (lambda a, static: os.urandom(4_000), RemoteProtocolError, ""),
    "nothing": (lambda a, static: b"", RemoteProtocolError, "key"),
    "a muxer nobody speaks": (
        lambda a, static: noise_payload(a.identity.public_key.to_protobuf(), a.signature(static), muxers=["/mplex/9"]),
        P2PError,
        "expected peer .* to support one of the muxers /yamux/1.0.0",
    ),
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_caller_that_proves_nothing_is_hung_up_on(lie: str, caplog: pytest.LogCaptureFixture) -> None:
    make, _, text = LIES[lie]
    with caplog.at_level(logging.DEBUG, "p2pstack.swarm.listeners"):
        async with scene() as s, await s.attacker(secure=False) as attacker:
            attacker.overheard = VICTIM.sign(b"noise-libp2p-static-key:" + os.urandom(32))
            await attacker.propose("/noise")
            static = attacker.start_noise()
            await attacker.send_message(attacker.noise.write_message())
            attacker.noise.read_message(await attacker.receive_message())
            began = current_time()
            await attacker.send_message(attacker.noise.write_message(make(attacker, static)))
            assert await attacker.drain() == b""
            assert current_time() - began < SOON
            assert s.host.peers == (s.friend.peer_id,)
    assert [record for record in caplog.messages if "was not upgraded" in record and text.split(" .*")[0] in record]


@pytest.mark.parametrize("lie", LIES)
async def test_who_answers_and_proves_nothing_is_not_called(lie: str) -> None:
    make, kind, text = LIES[lie]
    async with scene() as s, Deaf() as deaf, create_task_group() as tasks:

        async def answer() -> None:
            await deaf.called.wait()
            (attacker,) = deaf.callers
            attacker.overheard = VICTIM.sign(b"noise-libp2p-static-key:" + os.urandom(32))
            await attacker.propose("/noise")
            static = attacker.start_noise()
            attacker.noise.read_message(await attacker.receive_message())
            await attacker.send_message(attacker.noise.write_message(make(attacker, static)))
            await attacker.drain()

        tasks.start_soon(answer)
        with pytest.raises(DialError) as caught:
            await s.host.connect(deaf.addr)
        ((addr, reason),) = caught.value.reasons.items()
        assert addr == deaf.addr
        assert isinstance(reason, kind)
        assert text.split(" .*")[0] in str(reason)


@pytest.mark.parametrize("kind", list(KeyType))
async def test_every_kind_of_key_is_believed_that_proves_itself(kind: KeyType) -> None:
    async with scene() as s, await s.attacker(identity=PrivateKey.generate(kind)) as attacker:
        (connection,) = s.host.connections_to(attacker.peer_id)
        assert connection.remote_public_key == attacker.identity.public_key


async def test_somebody_else_than_who_was_called_is_hung_up_on() -> None:
    async with scene() as s, Deaf() as deaf, create_task_group() as tasks:

        async def answer() -> None:
            await deaf.called.wait()
            with pytest.raises(EndOfStream):
                await deaf.callers[0].secure()

        tasks.start_soon(answer)
        with pytest.raises(PeerIdMismatch, match="look the peer up again"):
            await s.host.connect(f"{deaf.addr}/p2p/{VICTIM.peer_id}")


async def test_a_record_that_was_changed_on_its_way_ends_the_connection_at_once() -> None:
    async with scene() as s, await s.attacker() as attacker:
        record = bytearray(attacker.seal(frame(DATA, SYN, 1, 0)))
        record[-1] ^= 1
        await attacker.send(bytes(record) + attacker.seal(data(1, b"x")))
        await attacker.drain()
        assert isinstance((await s.end_of(attacker.peer_id)).error, SecurityError)


@pytest.mark.parametrize("sent", [b"\x00", b"\xff\xff" + bytes(100)])
async def test_a_record_cut_short_is_no_orderly_end(sent: bytes) -> None:
    async with scene() as s:
        async with await s.attacker() as attacker:
            await attacker.send(sent)
            await attacker.stream.send_eof()
            await attacker.drain()
        error = (await s.end_of(attacker.peer_id)).error
        assert isinstance(error, SecurityError)
        assert "got the end of the stream" in str(error)


@pytest.mark.parametrize("record", [b"\x00\x00", b"\x00\x0f" + bytes(15), b"\xff\xff" + bytes(65_535)], ids=len)
async def test_a_record_that_nobody_sealed_ends_the_connection_at_once(record: bytes) -> None:
    async with scene() as s, await s.attacker() as attacker:
        began = current_time()
        await attacker.send(record)
        await attacker.drain()
        assert current_time() - began < SOON
        error = (await s.end_of(attacker.peer_id)).error
        assert isinstance(error, SecurityError)
        assert "expected record 0 of the Noise channel" in str(error)


async def test_the_largest_record_there_can_be_is_opened_and_empty_ones_carry_nothing() -> None:
    async with scene() as s, await s.attacker() as attacker:
        opening = attacker.opening(1, "/ipfs/ping/1.0.0")
        largest = opening + data(1, bytes(65_519 - len(opening) - 12))
        record = attacker.seal(largest)
        assert len(record) == 2 + 65_535
        empty = [attacker.noise.encrypt(b"") for _ in range(5_000)]
        await attacker.send(record + b"".join(len(one).to_bytes(2, "big") + one for one in empty))
        assert len(await attacker.read(1, 32_000)) >= 32_000
        await s.ping()


@pytest.mark.parametrize("replayed", [0, 1])
async def test_a_record_that_comes_twice_or_not_at_all_ends_the_connection(replayed: int) -> None:
    async with scene() as s, await s.attacker() as attacker:
        records = [attacker.seal(frame(PING, SYN, 0, n)) for n in range(3)]
        await attacker.send(records[0] + records[0 if replayed else 2])
        await attacker.drain()
        error = (await s.end_of(attacker.peer_id)).error
        assert isinstance(error, SecurityError)
        assert "expected record 1 of the Noise channel" in str(error)


async def test_frames_may_come_with_the_last_message_of_the_handshake() -> None:
    async with scene() as s, await s.attacker(secure=False) as attacker:
        await attacker.propose("/noise")
        static = attacker.start_noise()
        await attacker.send_message(attacker.noise.write_message())
        attacker.noise.read_message(await attacker.receive_message())
        last = attacker.noise.write_message(
            noise_payload(attacker.identity.public_key.to_protobuf(), attacker.signature(static))
        )
        await attacker.send(
            len(last).to_bytes(2, "big") + last + attacker.seal(attacker.opening(1, "/ipfs/ping/1.0.0", bytes(32)))
        )
        assert (await attacker.until(DATA, stream=1)).body.endswith(bytes(32))


async def test_a_host_that_was_lied_to_is_of_use_to_others() -> None:
    async with Host(listen=["/ip4/127.0.0.1/tcp/0"]) as host:
        for _ in range(20):
            async with await Attacker.dial(host.addrs[0]) as attacker:
                await attacker.secure(payload=os.urandom(100))
                await attacker.drain()
        async with Host() as friend:
            await friend.connect(host.addrs[0])
