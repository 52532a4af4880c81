"""Names become numbers, within bounds, and never somebody else's."""

import socket
from typing import Any

import anyio
import pytest
from multiaddr import Multiaddr

from p2pstack.identity.address import parse_text
from p2pstack.identity.peer_id import PeerId
from p2pstack.swarm.resolver import NameLookup, Resolver, SystemLookup


def texts(addrs: Any) -> list[str]:
    return [str(addr) for addr in addrs]


async def test_a_name_becomes_each_of_its_addresses(lookup: Any) -> None:
    lookup.hosts["example.com"] = ["192.0.2.1", "2001:db8::1"]
    found = await Resolver(lookup).resolve(parse_text("/dns/example.com/tcp/443/wss"))
    assert texts(found) == ["/ip4/192.0.2.1/tcp/443/wss", "/ip6/2001:db8::1/tcp/443/wss"]


@pytest.mark.parametrize(
    ("text", "family"),
    [("/dns", socket.AF_UNSPEC), ("/dns4", socket.AF_INET), ("/dns6", socket.AF_INET6)],
)
async def test_the_protocol_says_which_family_is_asked_for(text: str, family: socket.AddressFamily) -> None:
    class Noting(NameLookup):
        async def addresses(self, name: str, family: socket.AddressFamily) -> list[str]:
            asked.append((name, family))
            return ["::1"]

        async def texts(self, name: str) -> list[str]:
            raise AssertionError

    asked: list[tuple[str, socket.AddressFamily]] = []
    await Resolver(Noting()).resolve(parse_text(f"{text}/example.com/tcp/1"))
    assert asked == [("example.com", family)]


async def test_an_address_without_name_stays_as_it_is(lookup: Any) -> None:
    addr = parse_text("/ip4/192.0.2.1/tcp/1")
    assert not Resolver.has_name(addr)
    assert await Resolver(lookup).resolve(addr) == [addr]
    assert lookup.questions == 0


async def test_a_dnsaddr_leads_through_others_to_addresses(lookup: Any, peer: PeerId) -> None:
    lookup.records["_dnsaddr.example.com"] = ["dnsaddr=/dnsaddr/a.example.com", "v=spf1 -all", "dnsaddr=nonsense"]
    lookup.records["_dnsaddr.a.example.com"] = [f"dnsaddr=/dns4/b.example.com/tcp/1/p2p/{peer}"]
    lookup.hosts["b.example.com"] = ["192.0.2.1"]
    found = await Resolver(lookup).resolve(parse_text("/dnsaddr/example.com"), peer=peer)
    assert texts(found) == [f"/ip4/192.0.2.1/tcp/1/p2p/{peer}"]


async def test_a_dnsaddr_of_a_peer_gives_no_addresses_of_others(lookup: Any, peer: PeerId, other: PeerId) -> None:
    lookup.records["_dnsaddr.example.com"] = [
        f"dnsaddr=/ip4/192.0.2.1/tcp/1/p2p/{other}",
        "dnsaddr=/ip4/192.0.2.2/tcp/1",
        f"dnsaddr=/ip4/192.0.2.3/tcp/1/p2p/{peer}",
    ]
    addr = parse_text("/dnsaddr/example.com")
    assert texts(await Resolver(lookup).resolve(addr, peer=peer)) == [f"/ip4/192.0.2.3/tcp/1/p2p/{peer}"]
    assert len(await Resolver(lookup).resolve(addr)) == 3


async def test_a_dnsaddr_with_a_suffix_gives_addresses_that_end_so(lookup: Any) -> None:
    lookup.records["_dnsaddr.example.com"] = ["dnsaddr=/ip4/192.0.2.1/tcp/1", "dnsaddr=/ip4/192.0.2.1/tcp/2"]
    found = await Resolver(lookup).resolve(parse_text("/dnsaddr/example.com/tcp/2"))
    assert texts(found) == ["/ip4/192.0.2.1/tcp/2"]


async def test_a_circle_of_names_ends(lookup: Any) -> None:
    lookup.records["_dnsaddr.example.com"] = ["dnsaddr=/dnsaddr/example.com"]
    with pytest.raises(OSError, match="leads to no address"):
        await Resolver(lookup, max_depth=3).resolve(parse_text("/dnsaddr/example.com"))
    assert lookup.questions <= 4


async def test_a_name_that_leads_everywhere_costs_so_many_questions_and_no_more(lookup: Any) -> None:
    names = [f"n{n}.example.com" for n in range(100)]
    lookup.records["_dnsaddr.example.com"] = [f"dnsaddr=/dnsaddr/{name}" for name in names]
    with pytest.raises(OSError, match="leads to no address"):
        await Resolver(lookup, max_lookups=7).resolve(parse_text("/dnsaddr/example.com"))
    assert lookup.questions == 7


async def test_so_many_addresses_are_taken_and_no_more(lookup: Any) -> None:
    lookup.hosts["example.com"] = [f"192.0.2.{n}" for n in range(200)]
    assert len(await Resolver(lookup, max_addrs=5).resolve(parse_text("/dns/example.com/tcp/1"))) == 5


async def test_a_name_nobody_knows_says_why(lookup: Any, peer: PeerId) -> None:
    with pytest.raises(OSError, match=rf"/dns/nowhere/tcp/1 leads to no address of peer {peer}: nowhere is unknown"):
        await Resolver(lookup).resolve(parse_text("/dns/nowhere/tcp/1"), peer=peer)


async def test_the_system_knows_localhost() -> None:
    found = await Resolver().resolve(parse_text("/dns4/localhost/tcp/1"))
    assert Multiaddr("/ip4/127.0.0.1/tcp/1") in found


def dns_answer(query: bytes, texts: list[bytes]) -> bytes:
    """The answer to a query: so many TXT records, or that there is no such name (RFC 1035, section 4)."""
    code = b"\x81\x80" if texts else b"\x81\x83"
    question = query[12:]
    head = query[:2] + code + b"\0\1" + len(texts).to_bytes(2, "big") + b"\0\0\0\0"
    end = question.index(b"\0") + 5
    records = [
        b"\xc0\x0c\0\x10\0\1\0\0\0\x3c" + (len(text) + 1).to_bytes(2, "big") + bytes([len(text)]) + text
        for text in texts
    ]
    return head + question[:end] + b"".join(records)


async def test_texts_come_from_dns() -> None:
    async with await anyio.create_udp_socket(family=socket.AF_INET, local_host="127.0.0.1") as server:

        async def serve() -> None:
            async for query, sender in server:
                known = b"\x07example" in query
                answer = dns_answer(query, [b"dnsaddr=/ip4/192.0.2.1/tcp/1"] if known else [])
                await server.sendto(answer, *sender)

        port: int = server.extra(anyio.abc.SocketAttribute.local_port)
        resolver = Resolver(SystemLookup(nameserver=("127.0.0.1", port)))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(serve)
            found = await resolver.resolve(parse_text("/dnsaddr/example.com"))
            assert texts(found) == ["/ip4/192.0.2.1/tcp/1"]
            with pytest.raises(OSError, match=r"no TXT record of _dnsaddr\.nowhere\.org"):
                await resolver.resolve(parse_text("/dnsaddr/nowhere.org"))
            tasks.cancel_scope.cancel()
