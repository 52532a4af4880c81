"""Hosts of py-libp2p, on TCP, Noise and yamux."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import multiaddr
from libp2p import new_host
from libp2p.abc import IHost
from libp2p.crypto import ed25519, rsa, secp256k1, x25519
from libp2p.crypto.keys import KeyPair
from libp2p.identity.identify import identify as identify_module
from libp2p.network.config import ConnectionConfig
from libp2p.peer.peerstore import PeerStore
from libp2p.rcmgr import ResourceLimits, ResourceManager
from libp2p.rcmgr.connection_limits import ConnectionLimits
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE
from libp2p.security.noise.transport import Transport as NoiseTransport
from libp2p.stream_muxer.yamux.yamux import PROTOCOL_ID as YAMUX
from libp2p.stream_muxer.yamux.yamux import Yamux

# A limit that no test reaches.
UNLIMITED = 1_000_000

# The library has no ECDSA keys that fit libp2p: it can neither make one nor read that of another peer.
KEY_TYPES: dict[str, Callable[[], KeyPair] | None] = {
    "ed25519": ed25519.create_new_key_pair,
    "secp256k1": secp256k1.create_new_key_pair,
    "rsa": rsa.create_new_key_pair,
    "ecdsa": None,
}

# The library has no options for these.
identify_module.AGENT_VERSION = "interop-py/1"
identify_module.PROTOCOL_VERSION = "p2pstack-interop/1"


def make_host(key_pair: KeyPair, *, connections_per_peer: int) -> IHost:
    noise = NoiseTransport(key_pair, noise_privkey=x25519.create_new_key_pair().private_key)
    return new_host(
        key_pair=key_pair,
        sec_opt={NOISE: noise},
        muxer_opt={YAMUX: Yamux},
        # A store that is full throws out the host's own key, which ends the host.
        peerstore_opt=PeerStore(max_records=UNLIMITED, max_peers=UNLIMITED),
        connection_config=ConnectionConfig(
            max_connections=UNLIMITED,
            high_watermark=UNLIMITED,
            # The library dials peers that it knows by itself below these.
            min_connections=0,
            low_watermark=0,
            max_connections_per_peer=connections_per_peer,
        ),
        resource_manager=ResourceManager(
            limits=ResourceLimits(max_connections=UNLIMITED, max_memory_mb=UNLIMITED, max_streams=UNLIMITED),
            connection_limits=ConnectionLimits(),
            enable_circuit_breaker=False,
            enable_graceful_degradation=False,
            enable_rate_limiting=False,
        ),
    )


@asynccontextmanager
async def running_listener(key_pair: KeyPair, listen: str) -> AsyncIterator[IHost]:
    host = make_host(key_pair, connections_per_peer=UNLIMITED)
    async with host.run(listen_addrs=[multiaddr.Multiaddr(listen)]):
        yield host


@asynccontextmanager
async def running_dialer(key_pair: KeyPair) -> AsyncIterator[IHost]:
    # With more than one connection allowed, a dial that succeeded still waits 250 ms for the next address.
    host = make_host(key_pair, connections_per_peer=1)
    async with host.run(listen_addrs=[]):
        yield host
