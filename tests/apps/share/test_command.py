"""`p2pstack share` and `p2pstack get`, in processes of their own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

LOCAL = ("--listen", "/ip4/127.0.0.1/tcp/0")
PATIENCE = 120
NOBODY = (
    f"p2pstack:share/{'0' * 64}/5/thing,/ip4/127.0.0.1/tcp/1/p2p/12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp"
)

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a command; what still runs at the end is killed."""
    processes: list[subprocess.Popen[str]] = []
    env = os.environ | {"XDG_DATA_HOME": str(tmp_path / "data")}

    def begin(*arguments: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "p2pstack", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=env,
        )
        processes.append(process)
        return process

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


def line(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    text = process.stdout.readline()
    assert text, process.communicate()[1]
    return json.loads(text)


def ended(process: subprocess.Popen[str]) -> tuple[int, list[dict[str, Any]], str]:
    out, err = process.communicate(timeout=PATIENCE)
    return process.returncode, [json.loads(text) for text in out.splitlines()], err


def file_of(path: Path, size: int) -> Path:
    path.write_bytes(os.urandom(1 << 16) * (size >> 16))
    return path


def digest(path: Path) -> bytes:
    return sha256(path.read_bytes()).digest()


def test_whoever_is_killed_the_rest_goes_on_and_who_was_killed_goes_on_where_it_was(
    start: Start, tmp_path: Path
) -> None:
    file = file_of(tmp_path / "file.bin", 32 << 20)
    source = start("share", file, *LOCAL, "--json")
    first = line(source)
    assert first["name"] == "file.bin"
    assert first["bytes"] == 32 << 20
    link = first["link"]

    victim = start("get", link, "-o", tmp_path / "victim", *LOCAL, "--json")
    assert line(victim)["event"] == "listening"
    journal = next(wait_for(lambda: list((tmp_path / "victim").glob(".p2pstack-*/journal"))))
    began = journal.stat().st_size
    next(wait_for(lambda: journal.stat().st_size > began + 40_000 or victim.poll() is not None))
    victim.kill()  # -9, in the middle
    victim.wait()

    seed = start("get", link, "-o", tmp_path / "seed", "--seed", *LOCAL, "--json")
    while (event := line(seed))["event"] != "done":
        pass
    assert event["peers"] == 1
    assert event["path"] == str(tmp_path / "seed" / "file.bin")
    source.kill()  # the only one that had it
    source.wait()

    again = start("get", event["link"], "-o", tmp_path / "victim", *LOCAL, "--json")
    code, events, err = ended(again)
    assert (code, err) == (0, "")
    assert events[-1]["event"] == "done"
    assert events[-1]["bytes"] == 32 << 20
    assert digest(tmp_path / "victim" / "file.bin") == digest(file) == digest(tmp_path / "seed" / "file.bin")
    assert [path.name for path in (tmp_path / "victim").iterdir()] == ["file.bin"]
    seed.terminate()
    assert ended(seed)[0] == 0


def wait_for(condition: Callable[[], Any]) -> Iterator[Any]:
    """What `condition` gives as soon as that is something."""
    deadline = monotonic() + PATIENCE
    while monotonic() < deadline:
        if found := condition():
            yield found[0] if isinstance(found, list) else found
            return
    raise AssertionError("it did not come")


def test_for_a_person_it_prints_the_command_and_what_it_fetched(start: Start, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a").write_text("hello")
    (folder / "b").write_text("world")
    source = start("share", folder, *LOCAL, "--data", tmp_path)
    assert source.stdout is not None
    told = [source.stdout.readline() for _ in range(3)]
    assert told[0].startswith("folder: 10 bytes, 2 files")
    command = told[2].split()
    assert command[:2] == ["p2pstack", "get"]
    out, err = start("get", command[2], "-o", tmp_path / "out", *LOCAL).communicate(timeout=PATIENCE)
    assert err == ""
    assert out.startswith(f"{tmp_path}/out/folder: 10 bytes in ")
    assert (tmp_path / "out" / "folder" / "b").read_text() == "world"


@pytest.mark.parametrize(
    ("arguments", "code", "what"),
    [
        (["get", "nonsense"], 2, "not a link of p2pstack share"),
        (["get", NOBODY, "--wait", "1"], 1, "nobody who has it was found in 1 s: /ip4/127.0.0.1/tcp/1"),
        (["share", "/nothing/there"], 2, "does not exist"),
    ],
)
def test_what_goes_wrong_is_told_in_a_line(
    start: Start, tmp_path: Path, arguments: list[str], code: int, what: str
) -> None:
    process = start(*arguments, *LOCAL, *(["-o", tmp_path] if arguments[0] == "get" else []), "--json")
    _out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == code
    assert what in err
    assert "Traceback" not in err
    assert len(err.splitlines()) == 1


def test_a_port_that_is_taken_is_told_in_a_line(start: Start, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    first = line(start("share", tmp_path / "file", *LOCAL, "--json"))
    taken = first["addrs"][0].partition("/p2p/")[0]
    code, _, err = ended(start("share", tmp_path / "file", "--listen", taken, "--json"))
    assert code == 1
    assert taken in err
    assert len(err.splitlines()) == 1
