"""Both sides over a pipe."""

import pytest
from anyio import EndOfStream, create_task_group, fail_after, wait_all_tasks_blocked

from p2pstack.errors import NegotiationError, RemoteProtocolError
from p2pstack.negotiation.messages import HEADER, encode
from p2pstack.negotiation.select import negotiate_inbound, negotiate_outbound
from p2pstack.streams.memory import MemoryStream, memory_pipe


async def both(proposed: list[str], spoken: list[str]) -> tuple[str, str, MemoryStream, MemoryStream]:
    here, there = memory_pipe()
    agreed: list[str] = []

    async def listen() -> None:
        agreed.append(await negotiate_inbound(there, spoken))

    with fail_after(20):
        async with create_task_group() as tasks:
            tasks.start_soon(listen)
            protocol = await negotiate_outbound(here, proposed)
    return protocol, agreed[0], here, there


@pytest.mark.parametrize(
    ("proposed", "spoken", "agreed"),
    [
        (["/a"], ["/a"], "/a"),
        (["/a", "/b"], ["/b", "/a"], "/a"),
        (["/x", "/y", "/b", "/a"], ["/a", "/b"], "/b"),
    ],
)
async def test_both_sides_agree_on_the_first_proposal_that_is_spoken(
    proposed: list[str], spoken: list[str], agreed: str
) -> None:
    dialled, accepted, here, there = await both(proposed, spoken)
    assert dialled == accepted == agreed
    await here.send(b"data")
    assert await there.receive() == b"data"


async def test_nothing_in_common_is_told_and_the_listener_hears_of_it() -> None:
    here, there = memory_pipe()
    with fail_after(20):
        async with create_task_group() as tasks:

            async def listen() -> None:
                with pytest.raises(NegotiationError, match="'/a', '/b'"):
                    await negotiate_inbound(there, ["/c"])

            tasks.start_soon(listen)
            with pytest.raises(NegotiationError, match="/a, /b"):
                await negotiate_outbound(here, ["/a", "/b"])
            await here.aclose()


async def test_the_dialer_needs_one_write_and_the_listener_one() -> None:
    here, there = memory_pipe()
    async with create_task_group() as tasks:
        tasks.start_soon(negotiate_outbound, here, ["/a"])
        await wait_all_tasks_blocked()
        assert await there.receive() == HEADER + encode("/a")
        there.unread(HEADER + encode("/a"))
        assert await negotiate_inbound(there, ["/a"]) == "/a"
        await wait_all_tasks_blocked()


async def test_data_that_came_early_is_left_on_the_stream() -> None:
    here, there = memory_pipe()
    await here.send(HEADER + encode("/a") + b"early data")
    assert await negotiate_inbound(there, ["/a"]) == "/a"
    assert await there.receive() == b"early data"
    await there.send(b"early answer")
    assert await negotiate_outbound(here, ["/a"]) == "/a"
    assert await here.receive() == b"early answer"


async def test_the_match_function_reaches_the_listener() -> None:
    here, there = memory_pipe()
    await here.send(HEADER + encode("/a/2"))
    assert await negotiate_inbound(there, ["/a/1"], matches=lambda protocol: protocol[:3] == "/a/") == "/a/2"


async def test_a_peer_that_speaks_something_else_is_an_error() -> None:
    here, there = memory_pipe()
    await there.send(b"\x00\x01\x02")
    with pytest.raises(RemoteProtocolError):
        await negotiate_outbound(here, ["/a"])
    here, there = memory_pipe()
    await here.send(b"\x05junk\n")
    with pytest.raises(RemoteProtocolError):
        await negotiate_inbound(there, ["/a"])


async def test_the_end_of_the_stream_ends_the_negotiation() -> None:
    here, there = memory_pipe()
    await there.send(HEADER)
    await there.aclose()
    with pytest.raises(NegotiationError, match="before it proposed"):
        await negotiate_inbound(here, ["/a"])
    here, there = memory_pipe()
    await there.aclose()
    with pytest.raises(NegotiationError, match="while /a was proposed"):
        await negotiate_outbound(here, ["/a"])


async def test_a_dialer_that_said_all_it_had_to_say_and_left_is_heard() -> None:
    """go-libp2p and rust-libp2p write proposal and data, and close, without a look at the answer."""
    here, there = memory_pipe()
    await here.send(HEADER + encode("/log") + b"a line to be logged")
    await here.aclose()
    assert await negotiate_inbound(there, ["/log"]) == "/log"
    assert await there.receive() == b"a line to be logged"
    with pytest.raises(EndOfStream):
        await there.receive()
