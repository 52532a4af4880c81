"""Nodes that share a text."""

import errno
import itertools
import os
from pathlib import Path
from typing import Any

import pytest
from pycrdt import Doc

from p2pstack import GossipSub, LocalProtocolError, RemoteProtocolError
from p2pstack.apps.doc import service as module
from p2pstack.apps.doc.document import Document
from p2pstack.apps.doc.encoding import blob, uint
from p2pstack.apps.doc.log import Log
from p2pstack.apps.doc.service import SharedText

ADA = b'{"user":{"name":"Ada","color":"#0d9488"}}'


def services(name: str = "notes", **options: Any) -> list[Any]:
    """Those of a node. By default nothing but what happens makes it exchange."""
    pubsub = GossipSub()
    return [pubsub, SharedText(name, pubsub, **{"interval": 1000.0, **options})]


async def sharing(p2p_hosts: Any, count: int, *, connect: bool = True, **options: Any) -> tuple[list[Any], list[Any]]:
    """Hosts in a row that share a text, and their texts."""
    parts = [services(**options) for _ in range(count)]
    hosts = [(await p2p_hosts(1, services=lambda part=part: part))[0] for part in parts]
    texts = [part[1] for part in parts]
    if connect:
        for one, other in itertools.pairwise(hosts):
            await one.connect(other.addrs[0])
        for text in texts[: 0 if count == 1 else None]:
            await text._pubsub.wait_for_mesh(text.topic)
    return hosts, texts


async def test_what_one_types_the_others_see(p2p_hosts: Any, until: Any) -> None:
    _, (one, two, three) = await sharing(p2p_hosts, 3)
    await one.insert(0, "hello")
    await until(lambda: str(three) == "hello", three)
    await three.insert(5, " wörld 😀")
    await until(lambda: str(one) == "hello wörld 😀" == str(two), one, two)
    await two.delete(0, 6)
    await until(lambda: str(one) == "wörld 😀" == str(three), one, three)
    assert one.saved
    assert (one.rejected, one.untold) == (0, 0)


async def test_what_was_written_apart_is_merged(p2p_hosts: Any, until: Any) -> None:
    hosts, texts = await sharing(p2p_hosts, 3, connect=False)
    for number, text in enumerate(texts):
        await text.insert(0, f"<{number}>")
    await hosts[0].connect(hosts[1].addrs[0])
    await until(lambda: str(texts[0]) == str(texts[1]) and len(str(texts[0])) == 6, *texts)
    await hosts[2].connect(hosts[1].addrs[0])  # what the middle one learns now the first one has to hear, too
    await until(lambda: len({str(text) for text in texts}) == 1 and len(str(texts[0])) == 9, *texts)
    assert texts[1].members == [hosts[0].peer_id, hosts[2].peer_id]


async def test_what_is_too_large_for_gossip_comes_as_well(p2p_hosts: Any, until: Any) -> None:
    _, texts = await sharing(p2p_hosts, 3)
    await texts[0].insert(0, "long " * 100_000)
    await until(lambda: len(str(texts[2])) == 500_000, *texts)
    assert texts[0].untold == 1


async def test_what_gossip_lost_is_fetched_once_it_is_missed(p2p_hosts: Any, until: Any) -> None:
    _, (one, two) = await sharing(p2p_hosts, 2)
    one.document.insert(0, "lost ")  # told to nobody
    await one.insert(5, "found")
    await until(lambda: str(two) == "lost found", two)
    assert two.document.early == 0


async def test_what_gossip_lost_and_nobody_misses_is_found_in_time(p2p_hosts: Any, until: Any) -> None:
    _, (one, two) = await sharing(p2p_hosts, 2, interval=0.2)
    one.document.insert(0, "lost")
    await until(lambda: str(two) == "lost", two)


async def test_a_flood_of_edits_is_told_by_exchanges(p2p_hosts: Any, until: Any) -> None:
    _, (one, two) = await sharing(p2p_hosts, 2)
    for number in range(module._MAX_UNTOLD + 50):
        one.apply(one.document.insert(number, "x"))
        one._learn_of(one.document.update(b"\x00"), ours=True)
    await until(lambda: len(str(two)) == len(str(one)), two)
    assert one.untold >= 50


async def test_texts_of_another_name_stay_apart(p2p_hosts: Any) -> None:
    one, other = services("one"), services("other")
    (host,) = await p2p_hosts(1, services=lambda: one)
    (another,) = await p2p_hosts(1, services=lambda: other)
    await host.connect(another.addrs[0])
    assert one[1].topic != other[1].topic
    assert not one[1].members
    assert "one" not in one[1].topic


async def test_others_see_who_edits_until_they_leave(p2p_hosts: Any, until: Any) -> None:
    hosts, (one, two) = await sharing(p2p_hosts, 2)
    clients: set[int] = set()
    one.tell_presence(b"\x01" + uint(7) + b"\x01" + blob(ADA), clients)
    await until(lambda: [editor.name for editor in two.editors] == ["Ada"], two)
    two.tell_presence(b"\x01" + uint(7) + b"\x09" + blob(b"null"), set())  # what another one's page echoes
    assert [editor.name for editor in two.editors] == ["Ada"]
    parts = services()
    (late,) = await p2p_hosts(1, services=lambda: parts)
    await late.connect(hosts[0].addrs[0])
    await until(lambda: [editor.name for editor in parts[1].editors] == ["Ada"], parts[1])
    assert clients == {7}
    one.leave(clients)
    await until(lambda: not two.editors and not parts[1].editors, two, parts[1])
    with pytest.raises(RemoteProtocolError):
        one.tell_presence(b"\x01", clients)


async def test_it_is_on_disk_when_it_is_said_to_be(p2p_hosts: Any, until: Any, tmp_path: Path) -> None:
    with Log(tmp_path / "a", "notes") as log, Log(tmp_path / "b", "notes") as other:
        first, second = services(log=log), services(log=other)
        (host,) = await p2p_hosts(1, services=lambda: first)
        (another,) = await p2p_hosts(1, services=lambda: second)
        await host.connect(another.addrs[0])
        await first[1].insert(0, "kept")
        size = log.size
        assert size == log.path.stat().st_size
        await until(lambda: str(second[1]) == "kept" and second[1].saved, second[1])
    for folder in ("a", "b"):
        with Log(tmp_path / folder, "notes") as log:
            again = services(log=log)
            (host,) = await p2p_hosts(1, services=lambda again=again: again)
            assert str(again[1]) == "kept"


async def test_the_file_is_written_anew_when_it_has_grown(p2p_hosts: Any, until: Any, tmp_path: Path) -> None:
    with Log(tmp_path, "notes") as log:
        parts = services(log=log)
        await p2p_hosts(1, services=lambda: parts)
        for _ in range(4):
            await parts[1].insert(0, "x" * 100_000)
            await parts[1].delete(0, 100_000)
        await until(lambda: log.size < 110_000, parts[1])
        await parts[1].insert(0, "after")
    with Log(tmp_path, "notes") as log:
        kept = Document(1)
        for update in log.updates:
            kept.apply(update)
        assert str(kept) == "after"


async def test_a_full_disk_ends_the_node(p2p_hosts: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from p2pstack import Host

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with Log(tmp_path, "notes") as log:
        parts = services(log=log)
        monkeypatch.setattr(os, "fdatasync", full)
        with pytest.RaisesGroup(
            pytest.RaisesExc(OSError, match="No space left"), flatten_subgroups=True, allow_unwrapped=True
        ):
            async with Host(services=parts):
                await parts[1].insert(0, "lost")
        monkeypatch.undo()


async def test_a_file_that_holds_no_text_is_told(tmp_path: Path) -> None:
    from p2pstack import Host

    with Log(tmp_path, "notes") as log:
        log.add([b"nonsense"])
    with Log(tmp_path, "notes") as log:
        parts = services(log=log)
        with pytest.RaisesGroup(
            pytest.RaisesExc(LocalProtocolError, match="damaged"), flatten_subgroups=True, allow_unwrapped=True
        ):
            async with Host(services=parts):
                pass


def test_it_has_to_be_open() -> None:
    with pytest.raises(LocalProtocolError, match="not open"):
        str(SharedText("notes", GossipSub()))


async def test_every_session_writes_under_another_name(p2p_hosts: Any, tmp_path: Path) -> None:
    clients: set[int] = set()
    for _ in range(3):
        with Log(tmp_path, "notes") as log:
            parts = services(log=log)
            (_host,) = await p2p_hosts(1, services=lambda parts=parts: parts)
            clients.add(parts[1].document.client_id)
            await parts[1].insert(0, "x")
            text = str(parts[1])
    assert len(clients) == 3
    assert text == "xxx"
    assert Doc(client_id=max(clients)).client_id == max(clients)
