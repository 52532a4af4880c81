"""Who the nodes of the gossipsub harness are, and where: node 7 is the host `node7`, and its key is made of 7."""

import json
import re
import socket
from collections.abc import Mapping
from pathlib import Path

from anyio import getaddrinfo
from script import ScriptError

from p2pstack import PrivateKey
from p2pstack.identity.ed25519 import Ed25519PrivateKey

__all__ = ["Network", "node_id_of", "node_key"]

PORT = 9000


def node_key(node_id: int) -> PrivateKey:
    """The key of a node: its seed is the number, the smallest byte first."""
    return Ed25519PrivateKey.from_seed(node_id.to_bytes(32, "little"))


def node_id_of(hostname: str) -> int:
    """The number in the name of a host."""
    match = re.fullmatch(r"node(\d+)", hostname)
    if match is None:
        raise ScriptError(f"expected a host by the name of node<number>, got {hostname!r}")
    return int(match[1])


class Network:
    """Where nodes are.

    :param places: `host:port` of nodes by their names, where these are not to be resolved
    """

    def __init__(self, places: Mapping[str, str] | None = None) -> None:
        self._places = places or {}

    @classmethod
    def from_file(cls, path: Path | None) -> "Network":
        return cls(json.loads(path.read_text()) if path else None)

    def listen_addr(self, node_id: int) -> str:
        """What a node listens on."""
        place = self._places.get(f"node{node_id}")
        return f"/ip4/0.0.0.0/tcp/{PORT}" if place is None else multiaddr_of(place)

    async def addr(self, node_id: int) -> str:
        """What a node is dialled at, with its peer id."""
        name = f"node{node_id}"
        place = self._places.get(name)
        if place is None:
            found = await getaddrinfo(name, PORT, family=socket.AF_INET, type=socket.SOCK_STREAM)
            place = f"{found[0][4][0]}:{PORT}"
        return f"{multiaddr_of(place)}/p2p/{node_key(node_id).peer_id}"


def multiaddr_of(place: str) -> str:
    host, _, port = place.rpartition(":")
    return f"/ip4/{host}/tcp/{port}"
