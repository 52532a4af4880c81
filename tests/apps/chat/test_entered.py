"""What is typed is what is meant."""

import pytest

from p2pstack import LocalProtocolError
from p2pstack.apps.chat.entered import File, Help, Join, Leave, Quit, Say, Tell, Who, parse


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("hello there", Say("hello there")),
        ("  ", None),
        ("//etc is a folder", Say("/etc is a folder")),
        ("/msg ann how  are you?", Tell("ann", "how  are you?")),
        ("/join kitchen", Join("kitchen")),
        ("/file ~/a b.txt", File("~/a b.txt")),
        ("/leave", Leave()),
        ("/who", Who()),
        ("/help", Help()),
        ("/quit ", Quit()),
    ],
)
def test_commands(line: str, meant: object) -> None:
    assert parse(line) == meant


@pytest.mark.parametrize("line", ["/msg ann", "/msg", "/join", "/dance", "/file", "/who is it"])
def test_what_is_no_command(line: str) -> None:
    with pytest.raises(LocalProtocolError, match="expected one of /msg WHO TEXT"):
        parse(line)
