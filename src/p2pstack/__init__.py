"""A peer-to-peer networking stack that speaks the libp2p wire protocols.

A name is imported from here when it is first used: `import p2pstack` loads nothing of the stack.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multiaddr import Multiaddr as Multiaddr

    from p2pstack.abc.connection import Connection as Connection
    from p2pstack.abc.connection import ConnectionAttribute as ConnectionAttribute
    from p2pstack.abc.connection import Direction as Direction
    from p2pstack.abc.connection import Stream as Stream
    from p2pstack.abc.events import ConnectionEnded as ConnectionEnded
    from p2pstack.abc.events import ConnectionStarted as ConnectionStarted
    from p2pstack.abc.events import DialFailed as DialFailed
    from p2pstack.abc.events import Event as Event
    from p2pstack.abc.events import EventBus as EventBus
    from p2pstack.abc.events import LimitHit as LimitHit
    from p2pstack.abc.events import ListenerClosed as ListenerClosed
    from p2pstack.abc.events import Listening as Listening
    from p2pstack.abc.events import LocalProtocolsChanged as LocalProtocolsChanged
    from p2pstack.abc.events import ObservedAddress as ObservedAddress
    from p2pstack.abc.events import PeerConnected as PeerConnected
    from p2pstack.abc.events import PeerDisconnected as PeerDisconnected
    from p2pstack.abc.events import PeerIdentified as PeerIdentified
    from p2pstack.abc.events import Subscription as Subscription
    from p2pstack.abc.gater import ConnectionGater as ConnectionGater
    from p2pstack.abc.host import AbstractHost as AbstractHost
    from p2pstack.abc.host import Target as Target
    from p2pstack.abc.peerstore import PeerInfo as PeerInfo
    from p2pstack.abc.service import Service as Service
    from p2pstack.discovery import Neighbours as Neighbours
    from p2pstack.errors import ConnectionClosed as ConnectionClosed
    from p2pstack.errors import DialError as DialError
    from p2pstack.errors import LimitExceeded as LimitExceeded
    from p2pstack.errors import ListenError as ListenError
    from p2pstack.errors import LocalProtocolError as LocalProtocolError
    from p2pstack.errors import NegotiationError as NegotiationError
    from p2pstack.errors import P2PError as P2PError
    from p2pstack.errors import PeerIdMismatch as PeerIdMismatch
    from p2pstack.errors import ProtocolError as ProtocolError
    from p2pstack.errors import RemoteProtocolError as RemoteProtocolError
    from p2pstack.errors import SecurityError as SecurityError
    from p2pstack.errors import StreamReset as StreamReset
    from p2pstack.host.host import Host as Host
    from p2pstack.identity.keys import KeyType as KeyType
    from p2pstack.identity.keys import PrivateKey as PrivateKey
    from p2pstack.identity.keys import PublicKey as PublicKey
    from p2pstack.identity.peer_id import PeerId as PeerId
    from p2pstack.muxers.yamux import Yamux as Yamux
    from p2pstack.peerstore import MemoryPeerstore as MemoryPeerstore
    from p2pstack.protocols.echo import Echo as Echo
    from p2pstack.protocols.identify import Identify as Identify
    from p2pstack.protocols.perf import Perf as Perf
    from p2pstack.protocols.perf import PerfResult as PerfResult
    from p2pstack.protocols.perf import perf as perf
    from p2pstack.protocols.ping import Ping as Ping
    from p2pstack.protocols.ping import ping as ping
    from p2pstack.pubsub import FloodSub as FloodSub
    from p2pstack.pubsub import GossipSub as GossipSub
    from p2pstack.pubsub import GossipSubConfig as GossipSubConfig
    from p2pstack.pubsub import Message as Message
    from p2pstack.pubsub import Overflow as Overflow
    from p2pstack.pubsub import PeerJoined as PeerJoined
    from p2pstack.pubsub import PeerLeft as PeerLeft
    from p2pstack.pubsub import Published as Published
    from p2pstack.pubsub import ScoreConfig as ScoreConfig
    from p2pstack.pubsub import SigningPolicy as SigningPolicy
    from p2pstack.pubsub import TopicScoreConfig as TopicScoreConfig
    from p2pstack.pubsub import Verdict as Verdict
    from p2pstack.security.noise import Noise as Noise
    from p2pstack.security.plaintext import Plaintext as Plaintext
    from p2pstack.streams.framed import Messages as Messages
    from p2pstack.swarm.config import SwarmConfig as SwarmConfig
    from p2pstack.swarm.resolver import Resolver as Resolver
    from p2pstack.transports.memory import Memory as Memory
    from p2pstack.transports.memory import MemoryNetwork as MemoryNetwork
    from p2pstack.transports.tcp import Tcp as Tcp

#: Where each name lives; a test holds it against the imports above.
_HOMES = {
    "multiaddr": ("Multiaddr",),
    "p2pstack.abc.connection": ("Connection", "ConnectionAttribute", "Direction", "Stream"),
    "p2pstack.abc.events": (
        "ConnectionEnded",
        "ConnectionStarted",
        "DialFailed",
        "Event",
        "EventBus",
        "LimitHit",
        "ListenerClosed",
        "Listening",
        "LocalProtocolsChanged",
        "ObservedAddress",
        "PeerConnected",
        "PeerDisconnected",
        "PeerIdentified",
        "Subscription",
    ),
    "p2pstack.abc.gater": ("ConnectionGater",),
    "p2pstack.abc.host": ("AbstractHost", "Target"),
    "p2pstack.abc.peerstore": ("PeerInfo",),
    "p2pstack.abc.service": ("Service",),
    "p2pstack.discovery": ("Neighbours",),
    "p2pstack.errors": (
        "ConnectionClosed",
        "DialError",
        "LimitExceeded",
        "ListenError",
        "LocalProtocolError",
        "NegotiationError",
        "P2PError",
        "PeerIdMismatch",
        "ProtocolError",
        "RemoteProtocolError",
        "SecurityError",
        "StreamReset",
    ),
    "p2pstack.host.host": ("Host",),
    "p2pstack.identity.keys": ("KeyType", "PrivateKey", "PublicKey"),
    "p2pstack.identity.peer_id": ("PeerId",),
    "p2pstack.muxers.yamux": ("Yamux",),
    "p2pstack.peerstore": ("MemoryPeerstore",),
    "p2pstack.protocols.echo": ("Echo",),
    "p2pstack.protocols.identify": ("Identify",),
    "p2pstack.protocols.perf": ("Perf", "PerfResult", "perf"),
    "p2pstack.protocols.ping": ("Ping", "ping"),
    "p2pstack.pubsub": (
        "FloodSub",
        "GossipSub",
        "GossipSubConfig",
        "Message",
        "Overflow",
        "PeerJoined",
        "PeerLeft",
        "Published",
        "ScoreConfig",
        "SigningPolicy",
        "TopicScoreConfig",
        "Verdict",
    ),
    "p2pstack.security.noise": ("Noise",),
    "p2pstack.security.plaintext": ("Plaintext",),
    "p2pstack.streams.framed": ("Messages",),
    "p2pstack.swarm.config": ("SwarmConfig",),
    "p2pstack.swarm.resolver": ("Resolver",),
    "p2pstack.transports.memory": ("Memory", "MemoryNetwork"),
    "p2pstack.transports.tcp": ("Tcp",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(home), name)
    return value


def __dir__() -> list[str]:
    return sorted((*globals(), *_HOME_OF))
