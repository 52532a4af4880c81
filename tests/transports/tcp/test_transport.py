"""Dialling and listening."""

import socket
from collections.abc import Callable
from typing import Any

import pytest
from anyio import create_task_group
from multiaddr import Multiaddr

from p2pstack.errors import ListenError, LocalProtocolError
from p2pstack.transports.tcp import Tcp


async def _dial_and_accept(upgrader: Any, listen: str) -> None:
    transport = Tcp()
    async with await transport.listen(Multiaddr(listen), upgrader=upgrader) as listener:
        addr = listener.addrs[-1]
        stream, endpoints = await transport.dial(addr, upgrader=upgrader)
        arrival = await listener.accept()
        assert endpoints.remote == addr == arrival.endpoints.local
        assert endpoints.local == arrival.endpoints.remote
        theirs: Any = await arrival.upgrade()
        await stream.send(b"x")  # type: ignore[attr-defined]
        assert await theirs.receive() == b"x"
        await stream.aclose()
        await theirs.aclose()


@pytest.mark.parametrize("addr", ["/ip4/127.0.0.1/tcp/0", "/ip4/0.0.0.0/tcp/0", "/ip6/::1/tcp/0", "/ip6/::/tcp/0"])
async def test_what_is_listened_on_can_be_dialled(upgrader: Any, addr: str) -> None:
    await _dial_and_accept(upgrader, addr)


async def test_an_unspecified_address_is_shown_as_real_ones(upgrader: Any) -> None:
    async with await Tcp().listen(Multiaddr("/ip4/0.0.0.0/tcp/0"), upgrader=upgrader) as listener:
        ports = {str(addr).rpartition("/")[2] for addr in listener.addrs}
        assert len(ports) == 1
        assert "0" not in ports
        assert not any("0.0.0.0" in str(addr) for addr in listener.addrs)
        assert any("127.0.0.1" in str(addr) for addr in listener.addrs)


async def test_a_listener_on_ipv6_leaves_ipv4_alone(upgrader: Any) -> None:
    async with await Tcp().listen(Multiaddr("/ip6/::/tcp/0"), upgrader=upgrader) as six:
        port = str(six.addrs[0]).rpartition("/")[2]
        async with await Tcp().listen(Multiaddr(f"/ip4/0.0.0.0/tcp/{port}"), upgrader=upgrader):
            pass


async def test_a_taken_port_is_an_error_that_says_what_to_do(upgrader: Any, open_files: Callable[[], int]) -> None:
    async with await Tcp().listen(Multiaddr("/ip4/127.0.0.1/tcp/0"), upgrader=upgrader) as listener:
        before = open_files()
        addr = listener.addrs[0]
        with pytest.raises(ListenError, match="Address already in use; choose another address or port") as caught:
            await Tcp().listen(addr, upgrader=upgrader)
        assert caught.value.address == str(addr)
        assert isinstance(caught.value.__cause__, OSError)
        assert open_files() == before


async def test_an_address_of_another_machine_is_an_error(upgrader: Any) -> None:
    with pytest.raises(ListenError, match=r"cannot listen on /ip4/192\.0\.2\.1/tcp/0: Cannot assign requested address"):
        await Tcp().listen(Multiaddr("/ip4/192.0.2.1/tcp/0"), upgrader=upgrader)


async def test_a_machine_without_the_family_is_an_error(upgrader: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(*args: Any, **kwargs: Any) -> Any:
        raise OSError(97, "Address family not supported by protocol")

    with monkeypatch.context() as patched:
        patched.setattr(socket, "socket", unsupported)
        with pytest.raises(ListenError, match="Address family not supported by protocol"):
            await Tcp().listen(Multiaddr("/ip6/::1/tcp/0"), upgrader=upgrader)


async def test_a_closed_port_can_be_listened_on_again_at_once(upgrader: Any) -> None:
    async with await Tcp().listen(Multiaddr("/ip4/127.0.0.1/tcp/0"), upgrader=upgrader) as listener:
        addr = listener.addrs[0]
        stream: Any
        stream, _ = await Tcp().dial(addr, upgrader=upgrader)
        theirs: Any = await (await listener.accept()).upgrade()
        await theirs.aclose()
        await stream.aclose()
    async with await Tcp().listen(addr, upgrader=upgrader) as again:
        assert again.addrs[0] == addr


async def test_dialling_passes_on_who_is_expected_and_what_the_upgrade_says(
    upgrader: Any, open_files: Callable[[], int]
) -> None:
    async with await Tcp().listen(Multiaddr("/ip4/127.0.0.1/tcp/0"), upgrader=upgrader) as listener:
        peer: Any = object()
        stream: Any
        stream, _ = await Tcp().dial(listener.addrs[0], upgrader=upgrader, peer=peer)
        assert upgrader.peers == [peer]
        await stream.aclose()
        before = open_files()
        upgrader.failure = TimeoutError("too slow")
        with pytest.raises(TimeoutError, match="too slow"):
            await Tcp().dial(listener.addrs[0], upgrader=upgrader)
        assert open_files() == before


async def test_dialling_a_closed_port_is_refused(upgrader: Any) -> None:
    async with await Tcp().listen(Multiaddr("/ip4/127.0.0.1/tcp/0"), upgrader=upgrader) as listener:
        addr = listener.addrs[0]
    with pytest.raises(ConnectionRefusedError):
        await Tcp().dial(addr, upgrader=upgrader)


async def test_a_name_is_to_be_resolved_before_it_is_dialled(upgrader: Any) -> None:
    with pytest.raises(LocalProtocolError, match="expected /ip4/"):
        await Tcp().dial(Multiaddr("/dns4/example.org/tcp/1"), upgrader=upgrader)


@pytest.mark.parametrize(
    ("text", "dial", "listen"),
    [
        ("/ip4/1.2.3.4/tcp/1", True, True),
        ("/ip6/::1/tcp/1", True, True),
        ("/dns4/example.org/tcp/1", True, False),
        ("/dnsaddr/example.org/tcp/1", True, False),
        ("/ip4/1.2.3.4/udp/1", False, False),
        ("/ip4/1.2.3.4/tcp/1/ws", False, False),
        ("/memory/1", False, False),
    ],
)
def test_says_which_addresses_are_its_own(text: str, dial: bool, listen: bool) -> None:
    assert Tcp().can_dial(Multiaddr(text)) == dial
    assert Tcp().can_listen(Multiaddr(text)) == listen


async def test_many_connections_at_once(upgrader: Any, open_files: Callable[[], int]) -> None:
    before = open_files()
    count = 100
    async with await Tcp().listen(Multiaddr("/ip4/127.0.0.1/tcp/0"), upgrader=upgrader) as listener:

        async def echo(arrival: Any) -> None:
            stream = await arrival.upgrade()
            async for chunk in stream:
                await stream.send(chunk)
            await stream.aclose()

        async def serve() -> None:
            async with create_task_group() as handlers:
                for _ in range(count):
                    handlers.start_soon(echo, await listener.accept())

        async def ask(number: int) -> None:
            stream: Any
            stream, _ = await Tcp().dial(listener.addrs[0], upgrader=upgrader)
            await stream.send(bytes([number]))
            assert await stream.receive() == bytes([number])
            await stream.aclose()

        async with create_task_group() as tasks:
            tasks.start_soon(serve)
            for number in range(count):
                tasks.start_soon(ask, number)
    assert open_files() == before
