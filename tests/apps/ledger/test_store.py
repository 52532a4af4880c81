"""What is kept, and what becomes of it when things go wrong."""

import sqlite3
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from p2pstack.apps.ledger.faults import StoreError
from p2pstack.apps.ledger.ledger import Ledger
from p2pstack.apps.ledger.store import VERSION, Store

from .killed import RULES
from .scene import Scene, audit


def test_what_was_written_is_there_again(scene: Scene, tmp_path: Path) -> None:
    path = tmp_path / "folder" / "ledger.sqlite"
    ledger = Ledger(scene.rules, Store(scene.rules, path))
    sent = scene.pay(0, 3, 10)
    scene.extend(ledger, sent, miner=2)
    scene.extend(ledger)
    tip = ledger.tip
    ledger.store.close()
    again = Ledger(scene.rules, Store(scene.rules, path))
    assert again.tip == tip
    assert again.store.height_of(sent.id) == 1
    (mined, of_nobody), (header, transfer) = again.store.history(scene.accounts[3], 10)
    assert (mined.height, of_nobody) == (2, None)
    assert (header.height, transfer) == (1, sent)
    audit(again)
    again.store.close()


def test_one_process_has_it_at_a_time(scene: Scene, tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    store = Store(scene.rules, path)
    with pytest.raises(StoreError, match="in use by another node"):
        Store(scene.rules, path)
    store.close()
    Store(scene.rules, path).close()


def test_another_ledger_and_another_version_are_told(scene: Scene, tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    Store(scene.rules, path).close()
    with pytest.raises(StoreError, match="other rules"):
        Store(scene.make_rules(reward=7), path)
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version = {VERSION + 1}")
    db.close()
    with pytest.raises(StoreError, match=f"expected version {VERSION} of the tables, got {VERSION + 1}"):
        Store(scene.rules, path)
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreError, match="not a database"):
        Store(scene.rules, path)


def test_a_full_disk_leaves_all_as_it_was(scene: Scene, tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    ledger = Ledger(scene.rules, Store(scene.rules, path))
    (pages,) = ledger.store._db.execute("PRAGMA page_count").fetchone()
    ledger.store._db.execute(f"PRAGMA max_page_count = {pages + 3}")
    with pytest.raises(StoreError, match="full"):
        for number in range(1_000):
            scene.extend(ledger, scene.pay(0, 1, 1, number=number, fee=0))
    assert ledger.height > 0
    audit(ledger)
    ledger.store.close()
    again = Ledger(scene.rules, Store(scene.rules, path))
    audit(again)
    scene.extend(again)
    again.store.close()


def test_a_transaction_within_one_is_undone_alone(scene: Scene) -> None:
    ledger = Ledger(scene.rules)
    with ledger.store.transaction():
        kept = scene.extend(ledger)
        with pytest.raises(ZeroDivisionError), ledger.store.transaction():
            scene.extend(ledger)
            raise ZeroDivisionError
    assert ledger.tip.id == kept.id
    audit(ledger)


def test_a_process_killed_at_any_moment_leaves_a_ledger_that_is_whole(tmp_path: Path) -> None:
    path, random = tmp_path / "ledger.sqlite", Random(7)
    program = Path(__file__).with_name("killed.py")
    height = 0
    for _ in range(4):
        with subprocess.Popen([sys.executable, program, path], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(random.randrange(1, 40)):
                told = process.stdout.readline().split()
            process.kill()
        ledger = Ledger(RULES, Store(RULES, path))
        assert ledger.height >= int(told[0]) > height  # what it had said was done, is done
        assert bytes.fromhex(told[1]) in ledger.store
        audit(ledger)
        height = ledger.height
        ledger.store.close()
