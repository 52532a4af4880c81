"""`p2pstack ledger`: processes of their own, one of them killed in the middle."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from p2pstack import PrivateKey
from p2pstack.cli.__main__ import main

RULES = ["--difficulty", "1000", "--block-time", "0.05", "--network", "cli"]


class Node:
    """A node in a process."""

    def __init__(self, data: Path, *options: str) -> None:
        command = [sys.executable, "-m", "p2pstack", "ledger", "node", "--json", *RULES]
        command += ["--data", str(data), "--listen", "/ip4/127.0.0.1/tcp/0", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.listening = self.event()
        self.addr: str = self.listening["addrs"][0]

    def event(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.communicate()[1]
        return json.loads(line)

    def until(self, height: int) -> dict[str, Any]:
        while (event := self.event())["height"] < height:
            pass
        return event

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        self.process.communicate(timeout=120)
        return self.process.returncode


@contextmanager
def node(data: Path, *options: str) -> Iterator[Node]:
    started = Node(data, *options)
    try:
        yield started
    finally:
        if started.process.poll() is None:
            started.process.kill()
            started.process.communicate()


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Any:
    """Run a command here: its exit code, what it prints, and its complaints."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["p2pstack", "ledger", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "200")
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        sys.stdout.flush()
        captured = capfd.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return run


def records(result: tuple[int, str, str]) -> list[dict[str, Any]]:
    code, out, err = result
    assert (code, err) == (0, "")
    return [json.loads(line) for line in out.splitlines()]


def test_money_is_mined_and_sent_and_outlives_a_node_that_is_killed(run: Any, tmp_path: Path) -> None:
    one, two, wallet = tmp_path / "one", tmp_path / "two", tmp_path / "wallet"
    ask = ["--network", "cli", "--json"]
    (shown,) = records(run("wallet", "--data", wallet, "--json"))
    assert Path(shown["key"]).stat().st_mode & 0o77 == 0
    with ExitStack() as nodes:
        miner = nodes.enter_context(node(one, "--mine"))
        other = nodes.enter_context(node(two, "--connect", miner.addr, "--backend", "trio"))
        other.until(5)
        sent, *states = records(run("send", shown["address"], 700, "--confirmations", 3, "--data", one, *ask))
        assert (sent["event"], sent["amount"], sent["fee"]) == ("sent", 700, 1)
        assert states[-1]["confirmations"] >= 3
        other.until(states[-1]["height"] + 2)
        assert miner.end(signal.SIGKILL) == -signal.SIGKILL  # the other has it all

        asked = ["--connect", other.addr, "--data", wallet, *ask]
        (balance,) = records(run("balance", *asked))
        assert (balance["address"], balance["balance"]) == (shown["address"], 700)
        (entry,) = records(run("history", *asked))
        assert (entry["what"], entry["amount"], entry["id"]) == ("received", 700, sent["id"])

        assert other.end() == 0
        with node(one) as last:
            assert last.listening["peer_id"] == miner.listening["peer_id"]
            assert last.listening["height"] >= states[-1]["height"] + 2
            _, out, _ = run("balance", "--data", one, "--network", "cli")
            assert "balance" in out
            _, out, _ = run("history", shown["address"], "--data", one, "--network", "cli")
            assert "received" in out
            _, out, _ = run("history", "--data", one, "--network", "cli", "--count", 500)
            assert "sent" in out
            assert "mined" in out
            code, out, err = run("send", shown["address"], 1, "--data", one, "--network", "cli", "--confirmations", 1,
                                 "--wait", 0.5)  # fmt: skip
            assert (code, "no 1 confirmations after 0.5 s" in err) == (1, True)
            nobody = f"/ip4/127.0.0.1/tcp/1/p2p/{PrivateKey.generate().peer_id}"
            complaints = [
                (["send", "nobody", 1, "--data", one], "expected an address"),
                (["send", shown["address"], 10**12, "--data", one, "--network", "cli"], "would spend"),
                (["balance", "--data", one, "--network", "other"], "no node of the ledger 'other'"),
                (["balance", "--data", wallet], "no node of the ledger 'main' runs with"),
                (["node", "--data", one, *RULES], "in use by another node"),
                (["node", "--data", tmp_path / "x", "--listen", last.addr.split("/p2p/")[0]], "in use"),
                (["balance", "--data", wallet, "--connect", nobody], "refused"),
            ]
            for arguments, why in complaints:
                code, out, err = run(*arguments)
                assert (code, out, len(err.splitlines())) == (1, "", 1), err
                assert why in err.lower() or why in err
            assert last.end(signal.SIGINT) == 0
    code, _, err = run("node", "--data", one, "--network", "cli", "--difficulty", 77)
    assert (code, "other rules" in err) == (1, True)
    assert run("send", shown["address"], 0)[0] == 2


def test_a_node_that_finds_nobody_says_so_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from p2pstack.apps.ledger import command

    monkeypatch.setattr(command, "_LONELY", 0.05)
    complaints: list[str] = []
    monkeypatch.setattr(command, "complain", complaints.append)

    async def scene() -> None:
        import anyio

        from p2pstack import Host, Neighbours

        nobody = f"/ip4/127.0.0.1/tcp/1/p2p/{PrivateKey.generate().peer_id}"
        neighbours = Neighbours([nobody], network="ledger-none")
        async with Host(listen=["/ip4/127.0.0.1/tcp/0"], services=[neighbours]) as host:
            with anyio.fail_after(120):
                while not neighbours.failures:  # noqa: ASYNC110
                    await anyio.sleep(0.01)
                await command._complain_when_lonely(host, neighbours)
                async with Host() as stranger:
                    await stranger.connect(host.addrs[0])
                    while not host.peers:  # noqa: ASYNC110
                        await anyio.sleep(0.01)
                    await command._complain_when_lonely(host, neighbours)

    import anyio

    anyio.run(scene)
    assert len(complaints) == 2
    assert "no peers found, and going on to look" in complaints[0]
    assert "of no ledger, or of one with other rules" in complaints[1]
