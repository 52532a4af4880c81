"""What a peer tells of itself, as a value and as the messages it travels in.

A description may be larger than a message may be: then it goes in several, which are merged by whoever reads them. Old
implementations read the first one only: it holds what others cannot do without, and as much else as fits.

Source: libp2p specs, identify; several messages and the signed record as go-libp2p and js-libp2p send them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from multiaddr import Multiaddr

from p2pstack.errors import RemoteProtocolError
from p2pstack.identity.address import parse_address
from p2pstack.identity.keys import PublicKey
from p2pstack.wire.pb.identify_pb2 import Identify as Message

__all__ = ["MAX_ADDRS", "MAX_OWN_MESSAGE", "MAX_PROTOCOLS", "PeerDescription", "encode"]

#: bytes of a message of ours: what implementations accept that have the smallest limit
MAX_OWN_MESSAGE = 4_096
#: protocols kept of a description
MAX_PROTOCOLS = 1_024
#: addresses kept of a description
MAX_ADDRS = 500
#: characters kept of each of the two versions
MAX_VERSION = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class PeerDescription:
    """What a peer tells of itself. Anything may be missing."""

    #: its identity key
    public_key: PublicKey | None = None
    #: where it listens, perhaps with `/p2p` at the end
    listen_addrs: tuple[Multiaddr, ...] = ()
    #: what it speaks
    protocols: tuple[str, ...] = ()
    #: where it sees us
    observed_addr: Multiaddr | None = None
    #: the family of protocols it belongs to
    protocol_version: str = ""
    #: its software
    agent_version: str = ""
    #: a signed envelope with a peer record, neither of which has been looked into
    signed_record: bytes | None = None
    #: how many protocols and addresses were left out because there were too many, or because they were malformed
    dropped: int = 0
    #: how many of these because there were too many
    excess: int = 0

    @classmethod
    def from_message(cls, message: Message) -> "PeerDescription":
        """The description in a merged message.

        :raises RemoteProtocolError: the key is none
        """
        parsed = map(_addr, message.listen_addrs[:MAX_ADDRS])
        addrs = tuple(addr for addr in parsed if addr is not None)
        protocols = tuple(filter(None, message.protocols[:MAX_PROTOCOLS]))
        return cls(
            public_key=PublicKey.from_protobuf(message.public_key) if message.public_key else None,
            listen_addrs=addrs,
            protocols=protocols,
            observed_addr=_addr(message.observed_addr),
            protocol_version=message.protocol_version[:MAX_VERSION],
            agent_version=message.agent_version[:MAX_VERSION],
            signed_record=message.signed_peer_record or None,
            excess=max(0, len(message.listen_addrs) - MAX_ADDRS) + max(0, len(message.protocols) - MAX_PROTOCOLS),
            dropped=len(message.listen_addrs) - len(addrs) + len(message.protocols) - len(protocols),
        )


def encode(description: PeerDescription) -> list[bytes]:
    """The messages of at most `MAX_OWN_MESSAGE` bytes that make up `description`."""
    message = Message(
        protocol_version=description.protocol_version,
        agent_version=description.agent_version,
    )
    if description.public_key is not None:
        message.public_key = description.public_key.to_protobuf()
    if description.observed_addr is not None:
        message.observed_addr = description.observed_addr.to_bytes()
    return [part.SerializeToString() for part in _fill(message, _parts(description))]


def _parts(description: PeerDescription) -> Iterator[Message]:
    """The parts of a description that may go in whichever message they fit."""
    for protocol in description.protocols:
        yield Message(protocols=[protocol])
    for addr in description.listen_addrs:
        yield Message(listen_addrs=[addr.to_bytes()])
    if description.signed_record is not None:
        yield Message(signed_peer_record=description.signed_record)


def _fill(message: Message, parts: Iterable[Message]) -> Iterator[Message]:
    size = message.ByteSize()
    for part in parts:
        needed = part.ByteSize()
        if size and size + needed > MAX_OWN_MESSAGE:
            yield message
            message = Message()
            size = 0
        message.MergeFrom(part)
        size += needed
    yield message


def _addr(data: bytes) -> Multiaddr | None:
    """The address in `data`; None where it is malformed, or of a protocol that is not known here."""
    try:
        return parse_address(data)
    except RemoteProtocolError:
        return None
