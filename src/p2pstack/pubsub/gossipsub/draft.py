"""What is to be said to one peer, while it is being gathered."""

from collections.abc import Sequence

from p2pstack.pubsub.rpc import RPC, Extensions, Graft, IDontWant, IHave, IWant, Partial, Prune, Subscribe

__all__ = ["Draft"]


class Draft:
    """An RPC in the making."""

    __slots__ = ("extensions", "graft", "idontwant", "ihave", "iwant", "partial", "prune", "subscriptions")

    def __init__(self) -> None:
        self.extensions: Extensions | None = None
        self.subscriptions: list[Subscribe] = []
        self.graft: list[Graft] = []
        self.prune: list[Prune] = []
        self.ihave: list[IHave] = []
        self.iwant: list[IWant] = []
        self.idontwant: list[IDontWant] = []
        self.partial: list[Partial] = []

    def rpcs(self) -> Sequence[RPC]:
        """One RPC; more where there is more than one thing to say of partial messages, which an RPC has one of."""
        first = RPC(
            subscriptions=self.subscriptions,
            ihave=self.ihave,
            iwant=self.iwant,
            graft=self.graft,
            prune=self.prune,
            idontwant=self.idontwant,
            extensions=self.extensions,
            partial=self.partial[0] if self.partial else None,
        )
        return (first, *(RPC(partial=partial) for partial in self.partial[1:]))
