"""What is accepted at once is what the listener would have accepted, byte for byte."""

from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import P2PError
from p2pstack.negotiation.listener import Listener, accept_at_once
from p2pstack.negotiation.messages import HEADER, encode

SPOKEN = ("/echo/1.0.0", "/ä/1", "/" + "x" * 125, "/" + "x" * 126, "/" + "x" * 500)
proposals = st.sampled_from([*SPOKEN, "/unknown/1", "ls", "na", ""])


@given(
    st.one_of(
        st.builds(lambda text, rest: HEADER + encode(text) + rest, proposals, st.binary(max_size=40)),
        st.binary(max_size=60),
        st.binary(max_size=40).map(lambda rest: HEADER + rest),
    ),
    st.integers(0, 600),
)
def test_the_listener_agrees(data: bytes, cut: int) -> None:
    data = data[:cut]
    accepted = accept_at_once(data, SPOKEN)
    listener = Listener(SPOKEN)
    try:
        protocol = listener.receive_data(data)
    except P2PError:
        protocol = None
    if accepted is not None:
        assert accepted[0] == protocol
        assert listener.data_to_send() == data[: accepted[1]]
        assert listener.surplus == data[accepted[1] :]
    elif protocol is not None:
        assert len(encode(protocol)) > 0x80  # a length of two bytes is left to the listener


def test_the_usual_is_accepted() -> None:
    data = HEADER + encode("/echo/1.0.0")
    assert accept_at_once(data + b"hello", SPOKEN) == ("/echo/1.0.0", len(data))
