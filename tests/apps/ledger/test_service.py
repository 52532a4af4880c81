"""Nodes that talk to each other, on hosts in memory."""

import gc
from pathlib import Path
from random import Random
from typing import Any

import anyio
import pytest

from p2pstack import Host, LocalProtocolError
from p2pstack.apps.ledger.faults import Invalid, Refused, StoreError
from p2pstack.apps.ledger.ledger import Ledger
from p2pstack.apps.ledger.miner import by_chance, by_work
from p2pstack.apps.ledger.service import LedgerConfig, LedgerNode
from p2pstack.apps.ledger.wallet import alone, wallet_key

from .scene import PATIENCE, Scene, audit, until


async def test_blocks_and_transfers_come_to_everybody(start: Any, scene: Scene) -> None:
    nodes = [await start(Ledger(scene.rules)) for _ in range(3)]
    (one, first), (two, second), (three, third) = nodes
    await second.connect(first.addrs[0])
    await third.connect(second.addrs[0])
    transfer = scene.pay(0, 1, 100)
    await one.pubsub.wait_for_mesh(one._transfers)
    await two.pubsub.wait_for_mesh(one._transfers, peers=2)
    await one.submit(transfer)
    await until(lambda: len(three.ledger.pool))
    scene.now = int(third.clock() * 1000)
    await three.publish_block(scene.make(three.ledger, *three.ledger.pool.choose(5)))
    await until(lambda: one.ledger.height)
    assert one.ledger.tip == two.ledger.tip == three.ledger.tip
    assert not one.ledger.pool
    assert one.ledger.store.height_of(transfer.id) == 1
    await one.submit(scene.pay(0, 1, 100, number=1))
    with pytest.raises(Refused):
        await one.submit(scene.pay(0, 1, 100, number=5))
    with pytest.raises(Invalid):
        await one.submit(scene.pay(0, 1, 100, number=2)._replace(amount=101))


async def test_a_newcomer_catches_up_from_several(start: Any, scene: Scene, long_chain: Ledger) -> None:
    newcomer, host = await start(Ledger(long_chain.rules))
    for _ in range(3):
        _, other = await start(long_chain)
        await host.connect(other.addrs[0])
    await until(lambda: newcomer.ledger.tip == long_chain.tip)
    assert not newcomer.shunned
    audit(newcomer.ledger)


async def test_two_that_were_apart_agree_when_they_meet(start: Any, scene: Scene) -> None:
    ours = Ledger(scene.rules)
    scene.extend(ours)
    theirs = scene.copy(ours)
    undone = scene.pay(0, 1, 10)
    scene.extend(ours, undone)
    for _ in range(4):
        scene.extend(theirs)
    (one, first), (two, second) = await start(ours), await start(theirs)
    await first.connect(second.addrs[0])
    await until(lambda: ours.tip == theirs.tip)
    assert list(ours.pool) == [undone]
    assert not one.shunned
    assert not two.shunned
    audit(ours)


async def test_an_orphan_leads_to_its_ancestors(start: Any, scene: Scene) -> None:
    knowing = Ledger(scene.rules)
    for _ in range(3):
        scene.extend(knowing)
    (one, first), (two, second) = await start(knowing), await start(Ledger(scene.rules))
    await second.connect(first.addrs[0])
    await one.pubsub.wait_for_mesh(one._blocks)
    scene.now = max(scene.now, int(first.clock() * 1000))
    await one.publish_block(scene.make(knowing))
    await until(lambda: two.ledger.tip == knowing.tip)
    assert two.ledger.height == 4
    assert not two._orphans


async def test_a_miner_mines_on_what_is_newest(start: Any, scene: Scene) -> None:
    rules = scene.make_rules(difficulty=2_000)
    miner, _ = await start(Ledger(rules), miner=scene.accounts[3], seek=by_work)
    seen = miner.ledger.tip
    with anyio.fail_after(PATIENCE):
        while seen.header.height < 3:
            seen = await miner.wait_for_change(seen)
    audit(miner.ledger)
    assert miner.ledger.account(scene.accounts[3]).balance >= 3 * rules.reward


async def test_a_clock_that_is_set_back_ends_no_miner(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    drafts = list[Any]()

    async def seek(header: Any) -> int:
        drafts.append(header)
        return await by_work(header)

    node = LedgerNode(
        Ledger(scene.rules), miner=scene.accounts[3], seek=seek, config=LedgerConfig(redraft_interval=0.01)
    )

    def clock() -> float:
        return scene.now / 1000 - (300 if drafts else 0)

    async with Host(services=[node.pubsub, node], clock=clock):
        await until(lambda: len(drafts) >= 3)
    assert "a block of ours is not taken" in caplog.text


async def test_a_draft_takes_in_what_came_since(start: Any, scene: Scene) -> None:
    ledger, drafts = Ledger(scene.rules), []

    async def seek(header: Any) -> int:
        drafts.append(header)
        await anyio.sleep_forever()
        return 0

    config = LedgerConfig(sync_interval=60, redraft_interval=0.01)
    node = LedgerNode(ledger, miner=scene.accounts[3], seek=seek, config=config)
    async with Host(services=[node.pubsub, node]):
        await until(lambda: drafts)
        await node.submit(scene.pay(0, 1, 10))
        await until(lambda: drafts[0].body != drafts[-1].body)


async def test_a_disk_that_is_full_ends_the_node_and_says_so(scene: Scene) -> None:
    ledger = Ledger(scene.rules)
    node = LedgerNode(ledger)
    with pytest.raises(StoreError, match="full"):
        async with Host(services=[node.pubsub, node]) as host:
            (pages,) = ledger.store._db.execute("PRAGMA page_count").fetchone()
            ledger.store._db.execute(f"PRAGMA max_page_count = {pages}")
            scene.now = int(host.clock() * 1000)
            with anyio.fail_after(PATIENCE):
                while True:
                    await node.publish_block(scene.make(ledger, scene.pay(0, 1, 1, number=ledger.height)))
    audit(ledger)


async def test_transfers_that_wait_are_told_again(start: Any, scene: Scene) -> None:
    ledger = Ledger(scene.rules)
    node, host = await start(ledger, config=LedgerConfig(remind_interval=0.4))
    ledger.add_transfer(scene.pay(0, 1, 10))
    late, other = await start(Ledger(scene.rules))
    await other.connect(host.addrs[0])
    await node.pubsub.wait_for_mesh(node._transfers)
    await until(lambda: len(late.ledger.pool))


def test_senseless_settings_are_refused() -> None:
    with pytest.raises(LocalProtocolError, match="sync_interval"):
        LedgerConfig(sync_interval=0)


@pytest.mark.parametrize("end", [anyio.BrokenWorkerProcess, ProcessLookupError, KeyboardInterrupt])
async def test_a_search_goes_on_when_its_process_is_killed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, end: type[BaseException]
) -> None:
    monkeypatch.setattr("p2pstack.apps.ledger.miner._PAUSE", 0.001)
    calls = []

    async def run_sync(*arguments: Any) -> int:
        calls.append(arguments[2:])
        if len(calls) == 1:
            raise end
        return 4_711

    monkeypatch.setattr("anyio.to_process.run_sync", run_sync)
    header = scene.make(Ledger(scene.rules)).header._replace(difficulty=1 << 63)
    assert await by_work(header) == 4_711
    assert calls[0] == calls[1]


async def test_a_search_that_is_called_off_leaves_no_process_behind(scene: Scene) -> None:
    header = scene.make(Ledger(scene.rules)).header._replace(difficulty=1 << 63)
    with anyio.move_on_after(0.01) as scope:  # while the process starts
        await by_work(header)
    assert scope.cancelled_caught
    gc.collect()  # would tell of a process that nobody has waited for


async def test_chance_takes_its_time() -> None:
    assert await by_chance(Random(1), mean=0.001)(None) == 0  # type: ignore[arg-type]


async def test_one_program_at_a_time_sends_from_a_wallet(tmp_path: Path) -> None:
    wallet_key(tmp_path)
    happened: list[str] = []

    async def second() -> None:
        async with alone(tmp_path):
            happened.append("second")

    async with anyio.create_task_group() as tasks, alone(tmp_path):
        tasks.start_soon(second)
        await anyio.wait_all_tasks_blocked()
        happened.append("first")
    assert happened == ["first", "second"]
