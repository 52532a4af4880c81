"""The command on a terminal: it draws a screen, and leaves when told to."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest


def drawn(terminal: int, text: bytes) -> bytes:
    """What is drawn until a text is."""
    screen = b""
    while text not in screen:
        screen += os.read(terminal, 65_536)
    return screen


@pytest.mark.timeout(60)
def test_a_screen_is_drawn_until_somebody_leaves(tmp_path: Path) -> None:
    terminal, theirs = pty.openpty()
    command = [sys.executable, "-m", "p2pstack", "chat", "garden", "--listen", "/ip4/127.0.0.1/tcp/0", "--name", "ann"]
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120", "LINES": "30"}
    with subprocess.Popen(
        [*command, "--data", str(tmp_path)], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    ) as process:
        try:
            os.close(theirs)
            drawn(terminal, b"others come by")
            os.write(terminal, b"good morning\r")
            drawn(terminal, b"morning")
            os.write(terminal, b"/quit\r")
            while True:
                try:
                    if not os.read(terminal, 65_536):
                        break
                except OSError:  # the last process on it has gone
                    break
            assert process.wait(20) == 0
        finally:
            process.kill()
            os.close(terminal)


def test_on_trio_there_is_no_screen(tmp_path: Path) -> None:
    terminal, theirs = pty.openpty()
    command = [sys.executable, "-m", "p2pstack", "chat", "garden", "--backend", "trio", "--data", str(tmp_path)]
    result = subprocess.run(command, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, text=True, timeout=120)
    os.close(terminal)
    os.close(theirs)
    assert result.returncode == 1
    assert "the terminal program runs on asyncio and uvloop" in result.stderr
