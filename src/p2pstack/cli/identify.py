"""`p2pstack identify`: who a node is and what it speaks."""

from pathlib import Path

from p2pstack.cli.hosts import make_host
from p2pstack.cli.output import Output
from p2pstack.protocols.identify import Identify

__all__ = ["identify"]


async def identify(output: Output, addr: str, *, key_file: Path | None) -> None:
    """Connect and print what the peer tells of itself."""
    service = Identify()
    async with make_host(key_file, services=[service]) as host:
        connection = await host.connect(addr)
        told = await service.wait(connection)
    facts = {
        "peer_id": str(told.peer),
        "agent_version": told.agent_version,
        "protocol_version": told.protocol_version,
        "key_type": connection.remote_public_key.type.name.lower(),
        "protocols": list(told.protocols),
        "listen_addrs": [str(addr) for addr in told.listen_addrs],
        "observed_addr": None if told.observed_addr is None else str(told.observed_addr),
    }
    output.record(**facts)
    output.facts(**facts)
