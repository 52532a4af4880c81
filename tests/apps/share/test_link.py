"""Links."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack import LocalProtocolError
from p2pstack.apps.share.link import MAX_ADDRS, Link

ADDR = "/ip4/127.0.0.1/tcp/4001"


@given(st.binary(min_size=32, max_size=32), st.integers(0, 1 << 60), st.text(st.characters(codec="utf-8")))
def test_a_link_is_the_same_after_a_journey(content: bytes, size: int, name: str) -> None:
    link = Link(id=content, size=size, name=name, addrs=(ADDR, "/ip6/::1/tcp/1"))
    assert Link.parse(f" {link}\n") == link


def test_nothing_in_it_means_anything_to_a_shell() -> None:
    text = str(Link(id=bytes(32), size=1, name="a b&c;$(d)*?'\"", addrs=[ADDR]))
    assert not set(text) & set(" &;$()*?'\"<>|\\`!#~[]{}")


def test_it_holds_only_so_many_addresses() -> None:
    link = Link(id=bytes(32), size=1, name="x", addrs=[ADDR] * 40)
    assert str(link).count(ADDR) == len(Link.parse(f"{link},{ADDR}").addrs) == MAX_ADDRS


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "p2pstack:share/00/1/x",
        f"p2pstack:share/{'0' * 64}/-1/x",
        f"p2pstack:share/{'0' * 64}/many/x",
        f"p2pstack:share/{'0' * 64}/1",
        f"p2pstack:share/{'g' * 64}/1/x",
        f"elsewhere:share/{'0' * 64}/1/x",
        f"p2pstack:share/{'0' * 64}/1/x,here",
        f"p2pstack:share/{'0' * 64}/1/x,",
        f"p2pstack:share/{'0' * 64}/1/x,,{ADDR}",
    ],
)
def test_what_is_no_link_is_refused(text: str) -> None:
    with pytest.raises(LocalProtocolError, match="not a link"):
        Link.parse(text)
