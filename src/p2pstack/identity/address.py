"""Multiaddrs as peers send them, and the peer id that may end them.

`Multiaddr(data)` takes any bytes and fails whenever it is looked at: what comes from a peer goes through
`parse_address` first. The binary form is walked directly, which is also what makes it cheap.

Source: multiformats, multiaddr, and its table of protocols.
"""

import re
from collections.abc import Iterator
from enum import IntEnum
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address

from multiaddr import Multiaddr

from p2pstack.errors import LocalProtocolError, RemoteProtocolError
from p2pstack.identity.peer_id import PeerId
from p2pstack.wire import varint

__all__ = [
    "MAX_ADDRESS_SIZE",
    "MAX_PARTS",
    "P2P_CODE",
    "Reach",
    "components",
    "first_code",
    "ip_of",
    "parse_address",
    "parse_text",
    "reach",
    "split_peer",
    "with_peer",
]

#: bytes of an address that is accepted from a peer, at most
MAX_ADDRESS_SIZE = 1024
#: parts of an address that is accepted from a peer, at most: through a relay to a browser it has a dozen
MAX_PARTS = 16
#: ... of those that take long to check: names that are not plain ASCII, paths, exotic hashes
_MAX_INTRICATE = 2
#: the protocol `p2p`, whose value is a peer id
P2P_CODE = 421

#: bytes of value by protocol: ip4, tcp, dccp, ip6, ipcidr, sctp, udp, onion, onion3, memory; then those without any:
#: p2p-websocket-star, p2p-webrtc-star, p2p-webrtc-direct, webrtc-direct, webrtc, p2p-circuit, udt, utp, https, tls,
#: noise, quic, quic-v1, webtransport, ws, wss, http
_FIXED = {4: 4, 6: 2, 33: 2, 41: 16, 43: 1, 132: 2, 273: 2, 444: 12, 445: 37, 777: 8} | dict.fromkeys(
    (479, 275, 276, 280, 281, 290, 301, 302, 443, 448, 454, 460, 461, 465, 477, 478, 480), 0
)
#: those whose value says its length: ip6zone, dns, dns4, dns6, dnsaddr, unix, p2p, garlic64, garlic32, sni, certhash,
#: http-path
_VARIABLE = frozenset((42, 53, 54, 55, 56, 400, P2P_CODE, 446, 447, 449, 466, 481))
#: dns, dns4, dns6, dnsaddr, sni
_NAMES = frozenset((53, 54, 55, 56, 449))
_CERTHASH = 466
#: labels of letters, digits and single hyphens within: what no rule for internationalised names has a say in
_PLAIN_NAME = re.compile(rb"(?=.{1,253}\Z)(?!.*[a-z0-9-]{64})[a-z0-9]{1,63}(?:[.-][a-z0-9]{1,63})*")


def components(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Each part of an address: the code of its protocol, its value, and the offset it begins at.

    :raises RemoteProtocolError: cut short, or of a protocol that is not known here
    """
    offset = 0
    while offset < len(data):
        start = offset
        code, offset = _varint(data, offset)
        size = _FIXED.get(code)
        if size is None:
            if code not in _VARIABLE:
                raise RemoteProtocolError(f"address: protocol {code} is not known here: {data[:64].hex()}")
            size, offset = _varint(data, offset)
        end = offset + size
        if end > len(data):
            raise RemoteProtocolError(f"address: expected {size} bytes of protocol {code}, got {len(data) - offset}")
        yield code, data[offset:end], start
        offset = end


def parse_address(data: bytes) -> Multiaddr:
    """The address in `data`, as it came from a peer: from then on nothing that is done with it can fail.

    :raises RemoteProtocolError: empty, longer than `MAX_ADDRESS_SIZE`, of more than `MAX_PARTS`, malformed, or of a
        protocol not known here
    """
    if not 0 < len(data) <= MAX_ADDRESS_SIZE:
        raise RemoteProtocolError(f"address: expected 1 to {MAX_ADDRESS_SIZE} bytes, got {len(data)}")
    addr = Multiaddr(data)
    intricate = 0
    for parts, (code, value, _) in enumerate(components(data), start=1):
        if code == P2P_CODE:
            PeerId.from_bytes(value)
        elif (code in _VARIABLE or code == 43) and not _is_plain(code, value):
            intricate += 1
        if parts > MAX_PARTS or intricate > _MAX_INTRICATE:
            raise RemoteProtocolError(
                f"address: expected at most {MAX_PARTS} parts, {_MAX_INTRICATE} of them intricate, "
                f"got more: {data[:64].hex()}..."
            )
    if intricate:
        try:
            str(addr)
        except ValueError as error:
            raise RemoteProtocolError(f"address: {error}") from None
    return addr


def _is_plain(code: int, value: bytes) -> bool:
    """Whether a value can be seen to be right without writing it as text, which takes up to fifty microseconds."""
    if code in _NAMES:
        return _PLAIN_NAME.fullmatch(value) is not None
    return code == _CERTHASH and len(value) == 34 and value.startswith(b"\x12\x20")


@lru_cache(maxsize=256)
def parse_text(text: str) -> Multiaddr:
    """The address in `text`, as a user wrote it. Remembers what it parsed last: parsing costs a tenth of a millisecond.

    :raises LocalProtocolError: not an address
    """
    try:
        addr = Multiaddr(_CID_PEER.sub(lambda match: str(PeerId.parse(match[0])), text))
        if addr.to_bytes() and text.startswith("/"):
            return parse_address(addr.to_bytes())
    except (ValueError, LookupError, RemoteProtocolError) as error:
        raise LocalProtocolError(f"{_expected(text)}: {error}") from None
    raise LocalProtocolError(_expected(text))


def split_peer(addr: Multiaddr) -> tuple[Multiaddr, PeerId | None]:
    """An address without the `/p2p/...` at its end, and the peer named there.

    :raises RemoteProtocolError: `addr` is malformed
    """
    data = addr.to_bytes()
    code, value, start = 0, b"", 0
    for code, value, start in components(data):  # noqa: B007
        pass
    if code != P2P_CODE:
        return addr, None
    return Multiaddr(data[:start]), PeerId.from_bytes(value)


def with_peer(addr: Multiaddr, peer: PeerId) -> Multiaddr:
    """An address with `/p2p/<peer>` at its end."""
    identity = peer.to_bytes()
    return Multiaddr(addr.to_bytes() + _P2P_PREFIX + varint.encode(len(identity)) + identity)


class Reach(IntEnum):
    """From where an address can be reached, the nearest first."""

    #: from this machine, or this process
    LOOPBACK = 0
    #: from this network: private and link-local addresses
    PRIVATE = 1
    #: from everywhere
    PUBLIC = 2


def reach(addr: Multiaddr) -> Reach:
    """From where it can be reached. Without IP an address is of this process (`/memory`), or of a name, which counts as
    public."""
    ip = ip_of(addr)
    if ip is None:
        return Reach.LOOPBACK if first_code(addr) == 777 else Reach.PUBLIC
    if ip.is_loopback:
        return Reach.LOOPBACK
    return Reach.PRIVATE if ip.is_private or ip.is_link_local else Reach.PUBLIC


def ip_of(addr: Multiaddr) -> IPv4Address | IPv6Address | None:
    """The IP address that an address begins with; None where it begins with something else."""
    for code, value, _ in components(addr.to_bytes()):
        if code == 4:
            return IPv4Address(value)
        if code == 41:
            return IPv6Address(value)
        if code != 42:
            break
    return None


def first_code(addr: Multiaddr) -> int:
    """The code of the protocol that an address begins with; 0 of an empty one."""
    for code, _, _ in components(addr.to_bytes()):
        return code
    return 0


_P2P_PREFIX = varint.encode(P2P_CODE)


#: the peer id as a CID: not what goes into the binary form
_CID_PEER = re.compile(r"(?<=/p2p/)[bkz][^/]*")


def _varint(data: bytes, offset: int) -> tuple[int, int]:
    head = varint.decode(data, offset)
    if head is None:
        raise RemoteProtocolError(f"address: cut short: {data[:64].hex()}")
    return head


def _expected(text: str) -> str:
    return f"expected an address such as /ip4/127.0.0.1/tcp/4001, got {text[:128]!r}"
