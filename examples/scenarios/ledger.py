"""A ledger with thieves in it: `p2pstack sim examples/scenarios/ledger.py --seeds 100`."""

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from random import Random

import anyio

from p2pstack import P2PError, PrivateKey, Service
from p2pstack.apps.ledger.block import Block
from p2pstack.apps.ledger.faults import Refused
from p2pstack.apps.ledger.ledger import Ledger
from p2pstack.apps.ledger.messages import protocol
from p2pstack.apps.ledger.miner import by_chance
from p2pstack.apps.ledger.rules import Rules
from p2pstack.apps.ledger.service import LedgerConfig, LedgerNode
from p2pstack.apps.ledger.store import Store
from p2pstack.apps.ledger.transfer import Transfer
from p2pstack.sim import SimNode, Simulation, Stage, scenario
from p2pstack.sim.topology import random_graph

#: what all wallets have at the beginning
FUNDS = 1_000
#: newest blocks that honest nodes need not agree on at the end
OPEN = 6
#: whoever sees so many blocks on top of a payment hands over the goods
DEEP = 12
CONFIG = LedgerConfig(sync_interval=5, remind_interval=40)


class World:
    """Who has which wallet, which disk, and what has been promised."""

    def __init__(self, net: Simulation, random: Random, *, honest: int, block_time: float) -> None:
        self.net = net
        self.random = random
        self.honest = net.nodes[:honest]
        self.thieves = net.nodes[honest:]
        self.keys = [node.key for node in net.nodes]
        self.rules = Rules(
            network="sim",
            difficulty=1,  # any nonce will do: chance says how long it takes to find
            retarget=0,
            allocation=tuple((key.public_key.raw, FUNDS) for key in self.keys),
        )
        self.disks = [Store(self.rules) for _ in net.nodes]
        self.mean = block_time * len(net.nodes)
        #: payments that somebody has seen so deep that it was sure of them
        self.sure: set[Transfer] = set()
        for node in net.nodes:
            node.make_services = partial(self.services, node, mines=node in self.honest)

    def services(self, node: SimNode, mines: bool) -> Sequence[Service]:
        """A node: what it had on its disk when it died, it still has."""
        ledger = Ledger(self.rules, self.disks[node.index])
        seek = by_chance(node.random, mean=self.mean)
        miner = self.keys[node.index].public_key.raw if mines else None
        service = LedgerNode(ledger, miner=miner, seek=seek, config=CONFIG)
        return [service.pubsub, service]

    def sign(self, key: PrivateKey, to: bytes, amount: int, number: int) -> Transfer:
        return Transfer.signed(key, to, amount, fee=1, number=number, network="sim")

    # --- what honest people do

    async def pay(self, every: float) -> None:
        """Somebody pays somebody, again and again."""
        while True:
            await anyio.sleep(self.random.expovariate(1 / every))
            living = [node for node in self.honest if node.running]
            payer, payee = self.random.choice(living), self.random.choice(self.net.nodes)
            service = payer.service(LedgerNode)
            own = payer.key.public_key.raw
            number = service.ledger.account(own).number + len(service.ledger.pool.of(own))
            transfer = self.sign(payer.key, payee.key.public_key.raw, self.random.randint(1, 50), number)
            try:
                await service.submit(transfer)
            except Refused:
                continue  # has nothing left

    async def watch(self) -> None:
        """Note what people are sure of."""
        while True:
            await anyio.sleep(1)
            for node in self.honest:
                store = self.disks[node.index]
                if (deep := store.id_at(store.tip.header.height - DEEP)) is not None:
                    self.sure.update(store.block(deep).transfers)

    # --- what thieves do

    async def spend_twice(self, every: float) -> None:
        """Pay one here and another there, with the same money."""
        while True:
            await anyio.sleep(self.random.expovariate(1 / every))
            thief = self.random.choice(self.thieves)
            own = thief.key.public_key.raw
            number = self.disks[thief.index].accounts([own])[own].number
            for node in self.random.sample(self.honest, 2):
                victim = self.random.choice(self.honest).key.public_key.raw
                if node.running:
                    try:
                        await node.service(LedgerNode).submit(self.sign(thief.key, victim, 100, number))
                    except Refused:
                        continue

    async def mine_in_secret(self, thief: SimNode, every: float) -> None:
        """Mine a chain that nobody sees, in which the money stays at home, and show it when it is long."""
        secret, own = Ledger(self.rules), thief.key.public_key.raw
        public = self.disks[thief.index]
        name = partial(protocol, thief.service(LedgerNode).name)
        while True:
            for height in range(1, public.tip.header.height + 1):
                block_id = public.id_at(height)
                assert block_id is not None
                secret.add_block(public.block(block_id), self.now(thief))
            number = secret.account(own).number
            with suppress(Refused):  # where it has nothing left to cheat with
                secret.add_transfer(self.sign(thief.key, own, 100, number))
            mined: list[Block] = []
            with anyio.move_on_after(every):
                while True:
                    await anyio.sleep(self.random.expovariate(1 / self.mean))
                    block = secret.draft(own, self.now(thief))
                    secret.add_block(block, self.now(thief))
                    mined.append(block)
            for block in mined:
                await thief.service(LedgerNode).pubsub.publish(name("blocks"), block.to_bytes())

    async def lie(self, thief: SimNode, every: float) -> None:
        """Send blocks that spend what is not there, and transfers that nobody signed."""
        pubsub = thief.service(LedgerNode).pubsub
        name = partial(protocol, thief.service(LedgerNode).name)
        own = thief.key.public_key.raw
        while True:
            await anyio.sleep(self.random.expovariate(1 / every))
            ledger = thief.service(LedgerNode).ledger
            victim = self.random.choice(self.honest).key.public_key.raw
            forged = Transfer(victim, own, 100, 1, ledger.account(victim).number, bytes(64))
            too_much = self.sign(thief.key, own, 10**12, ledger.account(own).number)
            tip, now = ledger.tip, self.now(thief)
            for wrong in (
                Block.draft(tip, (too_much,), miner=own, time=now, difficulty=1),
                Block.draft(tip, (forged,), miner=own, time=now, difficulty=1),
                Block.draft(tip, (), miner=own, time=now, difficulty=2),
            ):
                await pubsub.publish(name("blocks"), wrong.to_bytes())
            await pubsub.publish(name("transfers"), forged.to_bytes())

    def now(self, node: SimNode) -> int:
        return int(node.clock() * 1000)

    # --- what has to be so

    def check(self) -> None:
        """Look at every honest disk."""
        tips = [self.disks[node.index].tip.header.height for node in self.honest]
        settled = min(tips) - OPEN
        assert settled > 0, f"a chain has only {min(tips)} blocks: {sorted(tips)}"
        ends = {self.disks[node.index].id_at(settled) for node in self.honest}
        assert len(ends) == 1, f"honest nodes have {len(ends)} different blocks {settled}; their heights are {tips}"
        for node in self.honest:
            self.audit(self.disks[node.index])

    def audit(self, store: Store) -> None:
        """Do again, by hand, what a chain says, and compare."""
        balances, spent = dict(self.rules.allocation), set[tuple[bytes, int]]()
        included = set[Transfer]()
        for height in range(1, store.tip.header.height + 1):
            block_id = store.id_at(height)
            assert block_id is not None
            block = store.block(block_id)
            earned = self.rules.reward
            for transfer in block.transfers:
                assert (transfer.sender, transfer.number) not in spent, f"spent twice in block {height}"
                assert transfer.verify("sim"), f"forged in block {height}"
                spent.add((transfer.sender, transfer.number))
                included.add(transfer)
                balances[transfer.sender] -= transfer.cost
                assert balances[transfer.sender] >= 0, f"spent what was not there in block {height}"
                balances[transfer.recipient] = balances.get(transfer.recipient, 0) + transfer.amount
                earned += transfer.fee
            balances[block.header.miner] = balances.get(block.header.miner, 0) + earned
        kept = {account: balance for account, (balance, _) in store.accounts(balances).items()}
        assert kept == balances, "the accounts are not what the chain says"
        assert store.supply == self.rules.supply(store.tip.header.height), (
            "there is more money, or less, than was mined"
        )
        lost = self.sure - included
        assert not lost, f"{len(lost)} payments that somebody was sure of are gone"


async def meet(net: Simulation) -> None:
    """Have those call each other again that have lost each other, as a `Neighbours` service does."""
    for node in net.running:
        for other in node.dials:
            if node.running and other.running and not node.host.connections_to(other.key.peer_id):
                with suppress(P2PError, TimeoutError):
                    await net.connect(node, other)


@scenario(nodes=12, lasts=160)
async def ledger(
    stage: Stage,
    *,
    thieves: float = 0.25,
    block_time: float = 3.0,
    seconds: float = 120.0,
    apart: float = 20.0,
    pays_every: float = 1.0,
    up: str = "60s",
    killed: float = 0.0,
    degree: int = 8,
) -> None:
    """Whatever thieves do, while nodes crash and the network falls apart: nothing is spent twice, nothing comes from
    nowhere, and honest nodes agree."""
    net = stage.network(latency="40ms±15ms", security="plaintext", topology=random_graph(degree))
    honest = len(net.nodes) - round(thieves * len(net.nodes))
    world = World(net, stage.random, honest=honest, block_time=block_time)
    async with net:
        await anyio.sleep(3)
        crashes = 0
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(world.pay, pays_every)
            tasks.start_soon(world.watch)
            for number, thief in enumerate(world.thieves):
                tasks.start_soon(world.mine_in_secret if number % 2 else world.lie, thief, block_time * 5)
            if world.thieves:
                tasks.start_soon(world.spend_twice, block_time * 2)
            churn = net.churn(up=up, down="6s", nodes=[] if killed else world.honest[: honest // 2])
            await anyio.sleep((seconds - apart) / 2)
            nodes = stage.random.sample(net.nodes, len(net.nodes))
            half = stage.random.randint(len(nodes) // 3, len(nodes) // 2)
            net.partition(nodes[:half], nodes[half:])
            await anyio.sleep(apart)
            net.heal()
            await meet(net)
            await anyio.sleep((seconds - apart) / 2)
            for node in stage.random.sample(world.honest, round(killed * honest)):
                net.kill(node)
                world.honest.remove(node)  # for good: what it knew others have to know
            await anyio.sleep(10 * block_time if killed else 0)
            churn.stop()
            crashes = churn.deaths
            tasks.cancel_scope.cancel()
        for node in world.honest:
            if not node.running:
                await net.restart(node)
        await meet(net)
        await anyio.sleep(8 * block_time)
        world.check()
        height = min(world.disks[node.index].tip.header.height for node in world.honest)
        stage.facts |= {"crashes": crashes, "height": height, "sure payments": len(world.sure)}
