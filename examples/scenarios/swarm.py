"""Many want what one has: `p2pstack sim examples/scenarios/swarm.py --nodes 50`."""

from collections.abc import Sequence
from pathlib import Path

import anyio

from p2pstack.apps.share.manifest import File, Manifest
from p2pstack.apps.share.merkle import Tree, leaf
from p2pstack.apps.share.service import Share, ShareConfig
from p2pstack.sim import Stage, scenario
from p2pstack.sim.topology import k_regular

PIECE = 1 << 16
CONFIG = ShareConfig(threads=False)


class Pages:
    """A content of numbered pages, which are verified and then forgotten: nothing is on disk here."""

    def __init__(self, manifest: Manifest, tree: Tree, have: int) -> None:
        self.manifest = manifest
        self.tree = tree
        self.have = have

    def read(self, index: int) -> Sequence[bytes]:
        return [index.to_bytes(PIECE, "big")]

    def at_hand(self, index: int) -> bool:
        return True

    def put(self, index: int, parts: Sequence[bytes], proof: bytes) -> bool:
        return self.tree.add(index, leaf(parts), proof)

    def finish(self) -> Path:
        return Path("nowhere")

    def close(self) -> None:
        """Nothing is held open."""


@scenario(nodes=20, lasts=60)
async def swarm(stage: Stage, *, pieces: int = 40, bandwidth: str = "1Mbit/s") -> None:
    """All have all soon after the source could have sent it once."""
    tree = Tree.build([leaf([index.to_bytes(PIECE, "big")]) for index in range(pieces)])
    manifest = Manifest("pages", PIECE, (File((), pieces * PIECE),), tree.root)

    def share(have: int = 0) -> list[Share]:
        pages = Pages(manifest, tree if have else Tree(pieces, tree.root), have)
        return [Share(manifest.id, pages, config=CONFIG)]

    net = stage.network(bandwidth=bandwidth, topology=k_regular(4), security="plaintext", services=share)
    net.nodes[0].make_services = lambda: share((1 << pieces) - 1)
    async with net:
        began_at = anyio.current_time()
        for node in net.nodes:
            await node.service(Share).finished.wait()
        stage.facts["seconds"] = round(anyio.current_time() - began_at, 1)
        stage.facts["copies the source sent"] = net.nodes[0].service(Share).sent / manifest.size
        stage.facts["copies all sent"] = sum(node.service(Share).sent for node in net.nodes) / manifest.size
