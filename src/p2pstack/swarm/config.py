"""Every deadline and limit of a swarm."""

from dataclasses import dataclass, fields

from p2pstack.errors import LocalProtocolError

__all__ = ["SwarmConfig"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SwarmConfig:
    """How connections are made, accepted and counted. Deadlines in seconds, limits as counts, all above zero.

    A limit that refuses something emits `LimitHit`, and raises `LimitExceeded` where a caller waits for it.
    """

    upgrade_timeout: float = 10.0
    """For a peer that dialled us to be known and multiplexed, in all: a slow or silent one holds a slot no longer."""

    negotiation_timeout: float = 10.0
    """For a peer to say which protocol its new stream speaks, and to answer what we proposed on ours."""

    dial_address_timeout: float = 5.0
    """One address of a peer, from the first packet to the muxer; also one name to resolve."""

    dial_peer_timeout: float = 15.0
    """All addresses of a peer together."""

    dial_stagger: float = 0.25
    """Head start of an address over the next one: what RFC 8305, section 5, recommends."""

    max_dial_addresses: int = 32
    """Addresses tried in one dial, the best ranked first: a peer that publishes thousands makes nobody dial them."""

    max_pending_inbound: int = 128
    """Inbound connections not yet upgraded; a further one drops the oldest."""

    max_pending_inbound_per_ip: int = 8
    """... of one IP address, loopback excepted."""

    max_connections: int = 1_000
    """Connections in all: each holds a file descriptor, and up to 25 KiB while idle."""

    max_connections_per_peer: int = 8
    """Connections to one peer: dialling each other at once makes two, more help only who wants to fill tables."""

    max_inbound_streams: int = 256
    """Streams that the peer of one connection may have open; a further one is reset."""

    max_inbound_streams_in_all: int = 8_192
    """... that all peers together may have open: some kilobytes each. A connection may have 16 beyond that."""

    close_timeout: float = 2.0
    """For connections to flush and to say goodbye when the host ends; what is still open then is cut."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, int | float) or not value > 0:
                raise LocalProtocolError(f"SwarmConfig.{field.name}: expected a number above 0, got {value!r}")
