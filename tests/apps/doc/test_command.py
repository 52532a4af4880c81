"""`p2pstack doc`, as programs and shells use it."""

import io
import re
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from rich.console import Console

from p2pstack import GossipSub
from p2pstack.apps.doc.command import _show
from p2pstack.apps.doc.folder import Folder
from p2pstack.apps.doc.service import SharedText
from p2pstack.cli.__main__ import main
from p2pstack.cli.output import Output

NAME = "Minutes of März"


def test_processes_write_together_and_one_that_is_killed_comes_back_with_all_it_had(tmp_path: Path, start: Any) -> None:
    ada = start(tmp_path / "ada", "--no-page")
    bob = start(tmp_path / "bob", "--no-page", "--connect", ada.addr, "--backend", "uvloop")
    cleo = start(tmp_path / "cleo", "--no-page", "--connect", ada.addr, "--backend", "trio")
    ada.edit(insert=[0, "<ada 😀>"])
    bob.has("<ada 😀>")
    cleo.has("<ada 😀>")
    bob.edit(insert=[0, "<bob>"])
    cleo.has("<bob>")
    cleo.edit(delete=[0, 1])
    for number in range(30):  # it is killed while it writes
        bob.say({"insert": [0, f"<{number}>"]})
    saved = bob.until(lambda event: event["event"] == "saved" and event["edit"] >= 5)["edit"]
    code, _ = bob.end(signal.SIGKILL)
    assert code == -signal.SIGKILL
    acknowledged = [f"<{number}>" for number in range(saved - 1)]
    cleo.edit(insert=[0, "<cleo>"])
    ada.has("<cleo>")

    log = Folder(NAME, tmp_path / "bob").path / "document.log"
    with log.open("ab") as file:
        file.write(b"\0\0\1\0 what was not written to its end")
    bob = start(tmp_path / "bob", "--no-page", "--connect", ada.addr)
    for node in (ada, bob, cleo):
        node.has("<cleo>", *acknowledged)
    ada.edit(insert=[0, "<end>"])
    bob.has("<end>")
    everything = re.findall(r"<[^<>]+>", bob.text)  # with what was on disk and not yet acknowledged
    for node in (ada, cleo):
        node.has(*everything)
    assert ada.text == bob.text == cleo.text
    assert cleo.end()[0] == 0
    code, complaint = bob.end(signal.SIGTERM)
    assert code == 0
    assert "had not been saved" in complaint
    assert ada.end()[0] == 0


def test_what_goes_wrong_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], start: Any
) -> None:
    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["p2pstack", "doc", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code
        assert isinstance(code, int)
        return code, capfd.readouterr().err

    with socket.create_server(("127.0.0.1", 0)) as taken:
        node = start(tmp_path)
        port = str(taken.getsockname()[1])
        code, complaint = run(NAME, "--data", str(tmp_path), "--json")
        assert (code, complaint.count("\n")) == (1, 1)
        assert "open in another process" in complaint
        code, complaint = run("other", "--data", str(tmp_path), "--port", port)
        assert (code, complaint.count("\n")) == (1, 1)
        assert port in complaint
        assert "--port" in complaint
        file = tmp_path / "file"
        file.write_bytes(b"")
        code, complaint = run("other", "--data", str(file))
        assert (code, complaint.count("\n")) == (1, 1)
        assert run("", "--data", str(tmp_path))[0] == 2
        assert run("x", "--connect", "nonsense")[0] == 2

        for line in ("nonsense", {"insert": [5, "x"]}, {"delete": [0, 1]}, {"more": 1}, {"insert": [-1, "x"]}):
            node.say(line)
            assert node.until(lambda event: event["event"] == "refused")["error"]
        for line in ({"insert": [0, "half"], "delete": [50, 5]}, {"insert": [0, "x"], "delete": [0, 1]}, {}):
            node.say(line)
            assert "exactly one of" in node.until(lambda event: event["event"] in ("refused", "saved"))["error"]
        node.edit(insert=[0, "goes on"])
        node.has("goes on")
        assert node.text == "goes on"
        lonely = start(tmp_path / "lonely", "--connect", f"/ip4/127.0.0.1/tcp/{port}/p2p/{node.seen[0]['peer_id']}")
        taken.close()
        assert lonely.until(lambda event: event["event"] == "unreachable")["addr"]
        assert "called again" in lonely.end()[1]
        node.say("x" * (1 << 20))
        _, complaint = node.process.communicate(timeout=120)
        assert (node.process.returncode, complaint.count("\n")) == (1, 1)
        assert "longer than" in complaint


async def test_a_person_sees_who_is_there(p2p_hosts: Any) -> None:
    pubsub, screen = GossipSub(), io.StringIO()
    shared = SharedText(NAME, pubsub)
    await p2p_hosts(1, services=lambda: [pubsub, shared])
    await shared.insert(0, "hello")
    output = Output(as_json=False)
    output.console = Console(file=screen, force_terminal=True, width=200)  # type: ignore[assignment]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_show, output, shared)
        with anyio.fail_after(120):
            while "5 characters, saved; 0 others connected; nobody editing" not in screen.getvalue():
                await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
