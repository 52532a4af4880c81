"""`p2pstack call`: two processes, and what goes wrong in one line."""

import json
import subprocess
import sys
import wave
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from p2pstack.cli.__main__ import main

LOOPBACK = "/ip4/127.0.0.1/tcp/0"
COMMAND = [sys.executable, "-m", "p2pstack", "call"]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    """Half a second of it."""
    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 48_000, 0, "NONE", ""))
        file.writeframes((b"\x00\x20" * 120 + b"\x00\xe0" * 120) * 100)
    return path


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Run `p2pstack call` in this process."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["p2pstack", "call", "--data", str(tmp_path / "me"), *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "200")
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capfd.readouterr()
        assert isinstance(ended.value.code, int | None)
        return ended.value.code or 0, captured.out, captured.err

    return run


def listening(process: subprocess.Popen[str]) -> Any:
    assert process.stdout is not None
    return json.loads(process.stdout.readline())


@pytest.mark.timeout(90)
def test_files_go_from_mouth_to_ear(run: Run, sound: Path, tmp_path: Path) -> None:
    heard = tmp_path / "b.wav"
    arguments = ["--listen", LOOPBACK, "--answer", "--output", str(heard), "--json", "--name", "ann"]
    with subprocess.Popen(
        [*COMMAND, *arguments, "--data", str(tmp_path / "ann"), "--backend", "trio"], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            addr = listening(process)["addrs"][0]
            peer = addr.rpartition("/")[2]
            code, out, err = run(peer, "--connect", addr, "--input", sound, "--name", "bob")
            assert (code, err) == (0, "")
            for text in ("there is no speaker", f"calling {peer}", "talking to ann", "all has been said; mouth to ear"):
                assert text in out
            assert process.stdout is not None
            records = [json.loads(line) for line in process.stdout]
            assert process.wait(20) == 0
        finally:
            process.kill()
    assert [record["event"] for record in records if record["event"] != "quality"] == [
        "ringing",
        "talking",
        "over",
        "ended",
    ]
    ended = records[-1]
    assert ended["because"] == "the other side hung up"
    assert ended["frames"] == 25
    with wave.open(str(heard)) as file:
        assert file.getnframes() > 24_000 * 0.6
        assert any(file.readframes(file.getnframes()))


@pytest.mark.parametrize("answer", ["no\n", "", "y" * 2_000], ids=["no", "nothing", "a line without end"])
def test_who_does_not_say_yes_declines(run: Run, sound: Path, tmp_path: Path, answer: str) -> None:
    with subprocess.Popen(
        [*COMMAND, "--listen", LOOPBACK, "--input", str(sound), "--json", "--data", str(tmp_path / "ann")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdin is not None
            process.stdin.write(answer)
            process.stdin.close()
            code, _, err = run(listening(process)["addrs"][0], "--input", sound, "--json")
        finally:
            process.kill()
    assert code == 1
    assert "declined" in err
    assert len(err.splitlines()) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no file that stands for a full disk")
@pytest.mark.timeout(90)
def test_a_full_disk_ends_the_call_for_both(run: Run, sound: Path, tmp_path: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "--listen", LOOPBACK, "--answer", "--output", "/dev/full", "--json", "--data", str(tmp_path / "a")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            addr = listening(process)["addrs"][0]
            code, out, err = run(addr, "--input", sound, "--json")
            _, complaint = process.communicate(timeout=40)
        finally:
            process.kill()
    assert (code, err) == (0, "")
    assert json.loads(out.splitlines()[-1])["because"] == "the other side hung up"
    assert process.returncode == 1
    assert "No space left on device" in complaint
    assert len(complaint.splitlines()) == 1


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("p2pstack.apps.call.sound.portaudio", lambda: None)


@pytest.mark.usefixtures("silent")
@pytest.mark.parametrize("arguments", [("/ip4/127.0.0.1/tcp/1",), ("--listen", "/ip4/127.0.0.1/tcp/0")])
def test_without_any_sound_there_is_no_call(run: Run, arguments: tuple[str, ...]) -> None:
    code, _, err = run(*arguments)
    assert code == 1
    assert "there is neither microphone nor speaker here: give --input FILE, --output FILE.wav or both" in err


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        ((), 2, "give somebody to call, or an address to --listen on"),
        (("12D3KooWnonsense", "--input", "SOUND"), 1, "expected a peer id"),
        (("/ip4/127.0.0.1/tcp/1", "--input", "SOUND"), 1, "127.0.0.1"),
        (("/ip4/127.0.0.1/tcp/1", "--input", "/nothing/here.wav"), 1, "No such file"),
        (("/ip4/127.0.0.1/tcp/1", "--input", "SOUND", "--output", "/nothing/there.wav"), 1, "No such file"),
        (("12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5", "--input", "SOUND"), 1, "nobody said where"),
    ],
)
def test_what_cannot_be_done(
    run: Run, sound: Path, monkeypatch: pytest.MonkeyPatch, arguments: Any, code: int, complaint: str
) -> None:
    monkeypatch.setattr("p2pstack.apps.call.command._SEARCH", 0.2)
    result, _, err = run(*(sound if argument == "SOUND" else argument for argument in arguments))
    assert result == code
    assert complaint in err
    assert len(err.splitlines()) == 1


def test_devices_are_used_where_there_are_some(monkeypatch: pytest.MonkeyPatch) -> None:
    from p2pstack.apps.call.command import _Call
    from p2pstack.cli.output import Output

    class Stream:
        def __init__(self, **settings: Any) -> None: ...
        def start(self) -> None: ...
        def close(self) -> None: ...

    module = SimpleNamespace(RawInputStream=Stream, RawOutputStream=Stream, PortAudioError=LookupError)
    monkeypatch.setattr("p2pstack.apps.call.sound.portaudio", lambda: module)
    sounds = _Call(Output(as_json=True), source=None, target=None, name="")._open_sounds()
    assert sounds.microphone is not None
    assert sounds.speaker is not None
    sounds.close()


def test_a_microphone_is_closed_where_the_speaker_cannot_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    from p2pstack.apps.call.command import _Call
    from p2pstack.cli.output import Output

    closed: list[str] = []

    class Stream:
        def __init__(self, **settings: Any) -> None: ...
        def start(self) -> None: ...
        def close(self) -> None:
            closed.append("microphone")

    def refuse(**settings: Any) -> None:
        raise LookupError("Device unavailable")

    module = SimpleNamespace(RawInputStream=Stream, RawOutputStream=refuse, PortAudioError=LookupError)
    monkeypatch.setattr("p2pstack.apps.call.sound.portaudio", lambda: module)
    with pytest.raises(OSError, match="the speaker of this machine failed: Device unavailable"):
        _Call(Output(as_json=True), source=None, target=None, name="")._open_sounds()
    assert closed == ["microphone"]
