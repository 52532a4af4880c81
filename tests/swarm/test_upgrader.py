"""A raw stream becomes a connection or is closed, whatever comes over it."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest
from anyio import (
    BrokenResourceError,
    ClosedResourceError,
    EndOfStream,
    create_task_group,
    fail_after,
    move_on_after,
    wait_all_tasks_blocked,
)
from anyio.lowlevel import checkpoint

from p2pstack.abc.bytestream import RawStream
from p2pstack.abc.muxer import MuxedConnection, StreamMuxer
from p2pstack.abc.security import SecureChannel, SecureTransport
from p2pstack.errors import (
    LocalProtocolError,
    NegotiationError,
    P2PError,
    PeerIdMismatch,
    RemoteProtocolError,
    SecurityError,
)
from p2pstack.identity.keys import PrivateKey
from p2pstack.muxers.yamux import Yamux
from p2pstack.negotiation.messages import HEADER, encode
from p2pstack.security.noise import Noise
from p2pstack.security.plaintext import Plaintext
from p2pstack.streams.memory import MemoryStream, memory_pipe
from p2pstack.swarm.upgrader import ConnectionUpgrader

ALICE, BOB, EVE = (PrivateKey.generate() for _ in range(3))


class Rot13(Yamux):
    """A muxer that nobody else has."""

    @property
    def protocol(self) -> str:
        return "/rot13/1.0.0"


def upgrader(
    key: PrivateKey,
    *,
    security: Sequence[type[SecureTransport]] = (Noise,),
    muxers: Sequence[StreamMuxer] | None = None,
) -> ConnectionUpgrader:
    made = [make(key) for make in security]  # type: ignore[call-arg]
    return ConnectionUpgrader(security=made, muxers=muxers or [Yamux()])


async def upgrade(by: ConnectionUpgrader, stream: RawStream, inbound: bool) -> MuxedConnection:
    return await (by.upgrade_inbound(stream) if inbound else by.upgrade_outbound(stream, peer=None))


async def upgrade_both(
    dialer: ConnectionUpgrader, listener: ConnectionUpgrader, **kwargs: Any
) -> tuple[MuxedConnection | Exception, MuxedConnection | Exception]:
    """What each side got: a connection or an error."""
    ours, theirs = memory_pipe()
    results: dict[str, Any] = {}

    async def attempt(name: str, upgrade: Any) -> None:
        try:
            results[name] = await upgrade
        except Exception as error:
            results[name] = error

    async with create_task_group() as tasks:
        tasks.start_soon(attempt, "outbound", dialer.upgrade_outbound(ours, peer=kwargs.get("peer", BOB.peer_id)))
        tasks.start_soon(attempt, "inbound", listener.upgrade_inbound(theirs))
    return results["outbound"], results["inbound"]


@pytest.mark.parametrize(
    ("ours", "theirs", "agreed"),
    [
        ([Noise], [Noise], "/noise"),
        ([Plaintext], [Plaintext], "/plaintext/2.0.0"),
        ([Noise, Plaintext], [Plaintext, Noise], "/noise"),
        ([Noise, Plaintext], [Plaintext], "/plaintext/2.0.0"),
    ],
)
async def test_both_sides_agree_on_the_dialers_first_choice(ours: Any, theirs: Any, agreed: str) -> None:
    outbound, inbound = await upgrade_both(upgrader(ALICE, security=ours), upgrader(BOB, security=theirs))
    assert isinstance(outbound, MuxedConnection)
    assert isinstance(inbound, MuxedConnection)
    assert (outbound.security, inbound.security) == (agreed, agreed)
    assert (outbound.muxer, inbound.muxer) == ("/yamux/1.0.0", "/yamux/1.0.0")
    assert (outbound.remote_peer, inbound.remote_peer) == (BOB.peer_id, ALICE.peer_id)
    await outbound.aclose()
    await inbound.aclose()


async def test_without_anything_in_common_both_sides_say_so() -> None:
    outbound, inbound = await upgrade_both(upgrader(ALICE), upgrader(BOB, security=[Plaintext]))
    assert isinstance(outbound, NegotiationError)
    assert outbound.proposed == ("/noise",)
    assert isinstance(inbound, P2PError)


@pytest.mark.parametrize("security", [Noise, Plaintext])
async def test_muxers_are_agreed_on_within_the_handshake_or_after_it(security: Any) -> None:
    outbound, inbound = await upgrade_both(
        upgrader(ALICE, security=[security], muxers=[Rot13(), Yamux()]), upgrader(BOB, security=[security])
    )
    assert isinstance(outbound, MuxedConnection)
    assert isinstance(inbound, MuxedConnection)
    await outbound.aclose()
    await inbound.aclose()


@pytest.mark.parametrize("security", [Noise, Plaintext])
async def test_without_a_muxer_in_common_there_is_no_connection(security: Any) -> None:
    outbound, inbound = await upgrade_both(
        upgrader(ALICE, security=[security], muxers=[Rot13()]), upgrader(BOB, security=[security])
    )
    assert isinstance(outbound, P2PError)
    assert isinstance(inbound, P2PError)


async def test_the_first_write_holds_header_proposal_and_handshake() -> None:
    ours, theirs = memory_pipe()
    async with create_task_group() as tasks:
        tasks.start_soon(_outbound_and_fail, upgrader(ALICE), ours)
        await wait_all_tasks_blocked()
        first = await theirs.receive()
        await theirs.aclose()
    assert first.startswith(HEADER + encode("/noise"))
    assert len(first) == len(HEADER + encode("/noise")) + 2 + 32


async def _outbound_and_fail(dialer: ConnectionUpgrader, stream: RawStream) -> None:
    with pytest.raises(P2PError):
        await dialer.upgrade_outbound(stream, peer=None)


async def test_somebody_else_than_the_one_expected_is_refused() -> None:
    """GHSA-rch7-f4h5-x9rj: dial A, answered by B."""
    outbound, inbound = await upgrade_both(upgrader(ALICE), upgrader(EVE))
    assert isinstance(outbound, PeerIdMismatch)
    assert (outbound.expected, outbound.actual) == (BOB.peer_id, EVE.peer_id)
    assert isinstance(inbound, P2PError)


@pytest.mark.parametrize("inbound", [True, False])
async def test_a_peer_that_says_nothing_is_closed_when_whoever_waits_gives_up(inbound: bool) -> None:
    ours, theirs = memory_pipe()
    with move_on_after(0.02) as scope:
        await upgrade(upgrader(ALICE), ours, inbound)
    assert scope.cancelled_caught
    await _assert_closed(ours, theirs)


async def test_a_peer_that_says_a_byte_now_and_then_cannot_keep_an_upgrade_from_being_given_up() -> None:
    ours, theirs = memory_pipe()

    async def drip() -> None:
        for byte in HEADER * 1_000:
            try:
                await theirs.send(bytes([byte]))
            except BrokenResourceError:
                return
            await checkpoint()

    async with create_task_group() as tasks:
        tasks.start_soon(drip)
        with fail_after(20), move_on_after(0.05), suppress(P2PError):
            await upgrader(ALICE).upgrade_inbound(ours)
        await _assert_closed(ours, theirs)
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("inbound", [True, False])
@pytest.mark.parametrize(
    "junk",
    [
        b"GET / HTTP/1.1\r\nHost: example.com\r\nUser-Agent: somebody who is lost\r\nAccept: */*\r\n\r\n",
        b"\x13/multistream/2.0.0\n",  # the header of another version (nim #285)
        b"\x80" * 65_536,
        bytes(65_536),
        b"\xff" * 65_536,
        HEADER + encode("/noise") + b"\x00\x00" * 1_000,
        HEADER + encode("/noise") + b"\xff\xff" + b"\xa5" * 65_535,
    ],
)
async def test_junk_ends_the_upgrade_and_closes_the_stream(inbound: bool, junk: bytes) -> None:
    ours, theirs = memory_pipe()
    await theirs.send(junk)
    with fail_after(20):
        with pytest.raises((RemoteProtocolError, SecurityError)):
            await (
                upgrader(ALICE).upgrade_inbound(ours) if inbound else upgrader(ALICE).upgrade_outbound(ours, peer=None)
            )
    await _assert_closed(ours, theirs)


@pytest.mark.parametrize("inbound", [True, False])
@pytest.mark.parametrize(
    "sent", [b"", HEADER, HEADER + encode("/noise"), HEADER + encode("/noise") + b"\0\x20" + bytes(9)]
)
async def test_a_peer_that_leaves_ends_the_upgrade(inbound: bool, sent: bytes) -> None:
    ours, theirs = memory_pipe()
    if sent:
        await theirs.send(sent)
    await theirs.send_eof()
    with pytest.raises((NegotiationError, SecurityError)):
        await upgrade(upgrader(ALICE), ours, inbound)
    await _assert_closed(ours, theirs)


@pytest.mark.parametrize("error", [BrokenResourceError("reset"), EndOfStream()])
async def test_a_stream_that_breaks_is_an_error_of_security(error: Exception) -> None:
    async def receive(max_bytes: int = 65_536) -> bytes:
        raise error

    class Impolite(Noise):
        async def secure_outbound(self, stream: RawStream, **kwargs: Any) -> Any:
            await stream.receive()

    ours, _ = memory_pipe()
    ours.receive = receive  # type: ignore[method-assign]
    with pytest.raises(SecurityError, match=r"(broke|closed the connection) during the upgrade(: reset)?$"):
        await upgrader(ALICE, security=[Impolite]).upgrade_outbound(ours, peer=None)


async def test_being_cancelled_closes_the_stream() -> None:
    ours, theirs = memory_pipe()
    with move_on_after(0) as scope:
        await upgrader(ALICE).upgrade_inbound(ours)
    assert scope.cancelled_caught
    await _assert_closed(ours, theirs)


async def test_a_muxer_that_was_not_offered_is_refused() -> None:
    class Channel:
        muxer = "/other/1.0.0"

    class Careless(Noise):
        async def secure_outbound(self, *args: Any, **kwargs: Any) -> SecureChannel:  # type: ignore[override]
            return Channel()  # type: ignore[return-value]

    ours, _ = memory_pipe()
    with pytest.raises(NegotiationError, match=r"chose the muxer /other/1\.0\.0, which was not offered"):
        await upgrader(ALICE, security=[Careless]).upgrade_outbound(ours, peer=None)


def test_there_must_be_security_and_a_muxer() -> None:
    for security, muxers in (([], [Yamux()]), ([Noise(ALICE)], [])):
        with pytest.raises(LocalProtocolError, match="at least one security protocol and one muxer"):
            ConnectionUpgrader(security=security, muxers=muxers)


async def _assert_closed(ours: MemoryStream, theirs: MemoryStream) -> None:
    with pytest.raises(ClosedResourceError):
        await ours.receive()
    with pytest.raises((EndOfStream, BrokenResourceError)):
        await _drain(theirs)


async def _drain(stream: MemoryStream) -> None:
    while True:
        await stream.receive()
