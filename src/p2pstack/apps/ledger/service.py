"""A node of a ledger, as a service: it takes part in gossip, catches up, answers, and mines.

==========================  ===========================================================================================
a block by gossip           taken: passed on. Breaks a rule: rejected, which costs its sender. Its parent is not known:
                            kept among a few orphans, and the sender is asked for what lies between. Else ignored
a transfer by gossip        waits for a block: passed on. Its signature does not hold: rejected. Else ignored
a peer is new, and every    it, or some peer, is asked for headers that we do not have: whatever gossip lost, comes
`sync_interval`
a peer that lied            is asked no more for `shun_time`, and disconnected
a peer that did not answer  is left alone for a while: it may have died
transfers that wait long    are published again, some of them every `remind_interval`
a new tip, and every        a miner begins anew, with the transfers that wait then
`redraft_interval`
==========================  ===========================================================================================
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from anyio import Event, create_task_group, current_time, move_on_after, sleep
from anyio.abc import TaskStatus
from anyio.lowlevel import checkpoint

from p2pstack import (
    AbstractHost,
    GossipSub,
    LocalProtocolError,
    Message,
    PeerId,
    PeerIdentified,
    SigningPolicy,
    Verdict,
)
from p2pstack.apps.ledger.block import Block, Entry, genesis
from p2pstack.apps.ledger.faults import Invalid, Orphan, Refused, StoreError
from p2pstack.apps.ledger.ledger import Ledger
from p2pstack.apps.ledger.messages import protocol
from p2pstack.apps.ledger.miner import Seek
from p2pstack.apps.ledger.server import answer_nodes, answer_wallets
from p2pstack.apps.ledger.sync import Sync
from p2pstack.apps.ledger.transfer import Transfer

__all__ = ["LedgerConfig", "LedgerNode"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerConfig:
    """How a node behaves; its network does not have to agree on it. Times are in seconds.

    :raises LocalProtocolError: a figure is not above 0
    """

    #: Between two peers that are asked for what gossip has lost.
    sync_interval: float = 10.0
    #: For which a peer that lied is asked no more.
    shun_time: float = 600.0
    #: After which a miner takes in what has come since it began.
    redraft_interval: float = 2.0
    #: Blocks whose parents are not known, 152 KB each at most.
    max_orphans: int = 32
    #: Between two times that waiting transfers are published again; half of it is for how long a message is known.
    remind_interval: float = 240.0
    #: How many of them at a time.
    max_reminders: int = 50
    #: How far below our tip a block by gossip may be: what parts from our chain further down has to come with its work.
    max_depth: int = 100

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if getattr(self, name) <= 0:
                raise LocalProtocolError(f"LedgerConfig: expected {name} above 0, got {getattr(self, name)!r}")


class LedgerNode:
    """A service: `Host(services=[node.pubsub, node])`.

    :param ledger: what it keeps
    :param miner: the account that is to get what it mines; None: it does not mine
    :param seek: where proofs of work come from
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        miner: bytes | None = None,
        seek: Seek | None = None,
        config: LedgerConfig | None = None,
    ) -> None:
        self.ledger = ledger
        self.config = config or LedgerConfig()
        #: what is published has its proof in it and needs no author: whoever publishes it, it is the same message
        self.pubsub = GossipSub(signing=SigningPolicy.STRICT_NO_SIGN, seen_ttl=self.config.remind_interval / 2)
        #: peers that lied or did not answer, why, and until when they are not asked
        self.shunned: dict[PeerId, tuple[str, float]] = {}
        self._miner = miner
        self._seek = seek
        self._orphans: dict[bytes, Block] = {}
        self._leads: dict[PeerId, None] = {}  # who has something that we do not
        self._lead_came = Event()
        self._tip_changed = Event()
        self._failed = Event()
        self._failure: StoreError | None = None
        self._host: AbstractHost | None = None
        #: the name of the network, and of its rules: those with others are not to be talked to
        self.name = f"{ledger.rules.network}-{genesis(ledger.rules).id.hex()[:8]}"
        self._blocks, self._transfers = protocol(self.name, "blocks"), protocol(self.name, "transfers")
        self._sync, self._wallet = protocol(self.name, "sync/1.0.0"), protocol(ledger.rules.network, "wallet/1.0.0")

    # --- life

    async def run(self, host: AbstractHost, *, task_status: TaskStatus[None]) -> None:
        self._host = host
        host.handle(self._sync, handler=partial(answer_nodes, self.ledger), max_streams_per_peer=4)
        host.handle(self._wallet, handler=partial(answer_wallets, self.ledger, self.submit), max_streams_per_peer=4)
        self.pubsub.add_validator(self._blocks, self._judge_block)
        self.pubsub.add_validator(self._transfers, self._judge_transfer)
        # Validators do all that is to be done with a message: nobody reads what is delivered.
        async with (
            self.pubsub.subscribe(self._blocks, buffer=1),
            self.pubsub.subscribe(self._transfers, buffer=1),
            create_task_group() as tasks,
        ):
            tasks.start_soon(self._welcome, host)
            tasks.start_soon(self._keep_up, host)
            tasks.start_soon(self._remind, host)
            if self._miner is not None and self._seek is not None:
                tasks.start_soon(self._mine, self._miner, self._seek)
            task_status.started()
            await self._failed.wait()
            tasks.cancel_scope.cancel()
        assert self._failure is not None
        raise self._failure

    def _now(self) -> int:
        assert self._host is not None  # whoever asks is a part of it
        return int(self._host.clock() * 1000)

    async def wait_for_change(self, seen: Entry) -> Entry:
        """Wait until the tip is another one than `seen`; it then."""
        while (tip := self.ledger.tip).id == seen.id:
            await self._tip_changed.wait()
        return tip

    # --- blocks and transfers, wherever they come from

    def _take(self, blocks: Sequence[Block]) -> None:
        """Take blocks, in one transaction: those up to the first that raises.

        :raises Invalid: and the others of `Chain.add`
        """
        tip, failure = self.ledger.tip, None
        try:
            with self.ledger.store.transaction():
                for block in blocks:
                    try:
                        self.ledger.add_block(block, self._now())
                    except (Invalid, Refused) as why:
                        failure = why
                        break
        except StoreError as error:
            self._failure = error
            self._failed.set()
            raise
        if self.ledger.tip.id != tip.id:
            self._tip_changed.set()
            self._tip_changed = Event()
            self._connect_orphans()
        if failure is not None:
            raise failure

    def _connect_orphans(self) -> None:
        for block in list(self._orphans.values()):
            if block.header.parent in self.ledger.store and block.id in self._orphans:
                del self._orphans[block.id]
                try:
                    self._take([block])
                except (Invalid, Refused) as why:
                    logger.debug("an orphan: %s", why)

    async def submit(self, transfer: Transfer) -> None:
        """Take a transfer, and tell the others.

        :raises Invalid: its signature does not hold
        :raises Refused: it cannot be done
        """
        if transfer not in self.ledger.pool.of(transfer.sender):
            self.ledger.add_transfer(transfer)
        await self.pubsub.publish(self._transfers, transfer.to_bytes())

    async def _judge_block(self, message: Message) -> Verdict:
        if self._is_ours(message):
            return Verdict.ACCEPT
        rules, tip = self.ledger.rules, self.ledger.tip
        try:
            block = Block.from_bytes(message.data, max_transfers=rules.max_transfers)
            if block.id in self.ledger.store or block.header.height <= tip.header.height - self.config.max_depth:
                return Verdict.IGNORE
            self.ledger.chain.check_header(block.header, block.id, self._now(), self.ledger.store.entry)
            for _ in self.ledger.verify_in_steps(block):
                await checkpoint()
            self._take([block])
        except Orphan:
            self._keep_orphan(block, message.received_from)  # pyright: ignore[reportPossiblyUnboundVariable]
            return Verdict.IGNORE
        except Invalid as why:
            logger.debug("%s sent what is wrong: %s", message.received_from, why)
            return Verdict.REJECT
        except (Refused, StoreError) as why:
            logger.debug("a block was not taken: %s", why)
            return Verdict.IGNORE
        return Verdict.ACCEPT if self.ledger.store.id_at(block.header.height) == block.id else Verdict.IGNORE

    async def _judge_transfer(self, message: Message) -> Verdict:
        if self._is_ours(message):
            return Verdict.ACCEPT
        try:
            self.ledger.add_transfer(Transfer.from_bytes(message.data))
        except Invalid as why:
            logger.debug("%s sent what is wrong: %s", message.received_from, why)
            return Verdict.REJECT
        except Refused:
            return Verdict.IGNORE
        return Verdict.ACCEPT

    def _is_ours(self, message: Message) -> bool:
        assert self._host is not None  # the validators are its
        return message.received_from == self._host.peer_id

    def _keep_orphan(self, block: Block, sender: PeerId) -> None:
        self._orphans[block.id] = block
        if len(self._orphans) > self.config.max_orphans:
            del self._orphans[next(iter(self._orphans))]
        self._leads[sender] = None
        self._lead_came.set()

    # --- catching up

    async def _welcome(self, host: AbstractHost) -> None:
        """Whoever is new may have what we have not."""
        with host.events.subscribe(PeerIdentified) as events:
            async for event in events:
                if self._sync in event.protocols and not event.pushed:
                    self._leads[event.peer] = None
                    self._lead_came.set()

    async def _keep_up(self, host: AbstractHost) -> None:
        pause = 0.0
        while True:
            with move_on_after(pause):
                await self._lead_came.wait()
            self._lead_came = Event()
            if self._leads:
                await sleep(0.05)  # several may tell of the same at once
            pause = host.random.uniform(0.5, 1.0) * self.config.sync_interval
            if await self._catch_up(host):
                pause = 0

    async def _catch_up(self, host: AbstractHost) -> bool:
        """Do a round with a peer; whether another one should follow at once."""
        members = self._members(host)
        leads, self._leads = [peer for peer in self._leads if peer in members], {}
        if not members:
            return False
        peer = leads[0] if leads else host.random.choice(members)
        others = [other for other in members if other != peer]
        host.random.shuffle(others)
        before = self.ledger.tip
        sync = Sync(host, self.ledger, protocol=self._sync, take=self._take, now=self._now)
        more = await sync.run(peer, others)
        for silent, why in sync.silent.items():
            self.shunned[silent] = (why, current_time() + 2 * self.config.sync_interval)
        for liar, why in sync.liars.items():
            logger.info("peer %s is asked no more: %s", liar, why)
            self.shunned[liar] = (why, current_time() + self.config.shun_time)
            await host.disconnect(liar)
        tip = self.ledger.tip
        if tip.id != before.id:  # there may be others who have not heard of it
            await self.pubsub.publish(self._blocks, self.ledger.store.block(tip.id).to_bytes())
        return more or peer in self.shunned

    def _members(self, host: AbstractHost) -> list[PeerId]:
        """Peers that can be asked."""
        now = current_time()
        self.shunned = {peer: (why, until) for peer, (why, until) in self.shunned.items() if until > now}
        speaks = host.peerstore.protocols
        return [peer for peer in host.peers if self._sync in speaks(peer) and peer not in self.shunned]

    async def _remind(self, host: AbstractHost) -> None:
        """Publish transfers again: who came late, or was elsewhere, has not heard of them."""
        while True:
            await sleep(self.config.remind_interval * host.random.uniform(0.75, 1.0))
            waiting = list(self.ledger.pool)
            for transfer in host.random.sample(waiting, min(len(waiting), self.config.max_reminders)):
                await self.pubsub.publish(self._transfers, transfer.to_bytes())

    # --- mining

    async def _mine(self, miner: bytes, seek: Seek) -> None:
        while True:
            tip = self.ledger.tip
            draft = self.ledger.draft(miner, self._now())
            found: list[int] = []
            async with create_task_group() as tasks:

                async def look(draft: Block = draft, found: list[int] = found) -> None:
                    found.append(await seek(draft.header))
                    tasks.cancel_scope.cancel()

                tasks.start_soon(look)
                with move_on_after(self.config.redraft_interval):
                    await self.wait_for_change(tip)
                tasks.cancel_scope.cancel()
            if found and self.ledger.tip.id == tip.id:
                try:
                    await self.publish_block(draft.with_nonce(found[0]))
                except Refused as refusal:  # the clock was set back: the chain is ahead of it, until that is over
                    logger.warning("a block of ours is not taken: %s", refusal)
                    await sleep(self.config.redraft_interval)

    async def publish_block(self, block: Block) -> None:
        """Take a block of our own, and tell the others."""
        self._take([block])
        await self.pubsub.publish(self._blocks, block.to_bytes())
