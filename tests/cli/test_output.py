"""What is printed for a person and for a program."""

import io
import json
import sys

import pytest
from rich.console import Console

from p2pstack.cli.output import Output, OutputClosed, complain, grid, milliseconds, rate


def test_json_is_one_object_a_line_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(as_json=True)
    output.say("hello")
    output.facts(name="value")
    output.show(grid("a", ">b"))
    output.record(rtt_ms=1.5, text="line\nbreak")
    output.record(peers=[])
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line) for line in lines] == [{"rtt_ms": 1.5, "text": "line\nbreak"}, {"peers": []}]


def test_a_person_sees_no_json_and_no_address_is_cut_or_taken_for_markup(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    output = Output(as_json=False)
    address = "/ip4/127.0.0.1/tcp/4001/p2p/12D3KooWHiT4GAN9jbzBttp7FR1uUcWcYjTkhAsuxQqsDmSGVgZu"
    output.record(address=address)
    output.say(f"[red]{address}[/red]")
    output.facts(listen_addrs=[address, address], nothing=[])
    assert capsys.readouterr().out.splitlines() == [
        f"[red]{address}[/red]",
        f"listen addrs      {address}",
        f"                  {address}",
        "nothing           none",
    ]


def test_a_complaint_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    complain("cannot reach it\n  here: refused\n\n  there: timed out")
    assert capsys.readouterr() == ("", "p2pstack: cannot reach it; here: refused; there: timed out\n")


@pytest.mark.parametrize("as_json", [True, False])
def test_nobody_reads_any_more(as_json: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Closed())
    output = Output(as_json=as_json)
    with pytest.raises(OutputClosed):
        output.record(name="value") if as_json else output.say("value")


def test_figures_have_units() -> None:
    assert rate(812_345_678.9) == "812.3 MB/s"
    assert rate(0) == "0 bytes/s"
    assert milliseconds(0.0012345) == "1.234 ms"
    assert milliseconds(None) == "-"


def test_numbers_stand_to_the_right() -> None:
    table = grid("name", ">rate")
    table.add_row("a", "1")
    console = Console(file=io.StringIO(), width=40)
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().splitlines()[-1].rstrip() == "a       1"


def test_what_would_speak_to_the_terminal_is_not_for_it(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(as_json=False)
    output.say("name\x1b[31m\x9b\x07")
    output.facts(name="\x1b]0;title\x07")
    complain("by \x1b[2J")
    out, err = capsys.readouterr()
    assert out == "name?[31m??\nname              ?]0;title?\n"
    assert err == "p2pstack: by ?[2J\n"
