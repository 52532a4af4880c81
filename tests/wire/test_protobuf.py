"""Messages that peers send."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import RemoteProtocolError
from p2pstack.wire.pb.envelope_pb2 import Envelope
from p2pstack.wire.pb.identify_pb2 import Identify
from p2pstack.wire.pb.noise_pb2 import NoiseHandshakePayload
from p2pstack.wire.pb.pubsub_pb2 import RPC
from p2pstack.wire.protobuf import parse


def test_a_message_is_parsed() -> None:
    message = parse(Identify, Identify(agent_version="p2pstack", protocols=["/a", "/b"]).SerializeToString(), what="x")
    assert message.agent_version == "p2pstack"
    assert list(message.protocols) == ["/a", "/b"]


def test_other_bytes_are_refused_with_the_name_of_message_and_sender() -> None:
    with pytest.raises(RemoteProtocolError, match=r"identify message from somebody: expected .* got 1 other bytes"):
        parse(Identify, b"\xff", what="identify message", peer="somebody")
    with pytest.raises(RemoteProtocolError, match=r"^identify message: "):
        parse(Identify, b"\xff", what="identify message")


def test_text_that_is_not_utf_8_is_refused() -> None:
    with pytest.raises(RemoteProtocolError):
        parse(Identify, b"\x1a\x02\xff\xfe", what="identify message")


def test_messages_nested_without_end_are_refused() -> None:
    inner = b""
    for _ in range(10_000):
        inner = b"\x0b" + inner + b"\x0c"  # a group in a group, of no field that is known
    with pytest.raises(RemoteProtocolError):
        parse(Identify, inner, what="identify message")


@pytest.mark.parametrize(
    ("message", "encoded"),
    [
        (RPC(subscriptions=[RPC.SubOpts(subscribe=True, topic_id="t")]), "0a050801120174"),
        (RPC(subscriptions=[RPC.SubOpts(requests_partial=True, supports_sending_partial=True)]), "0a0418012001"),
        (RPC(control={"idontwant": [{"message_ids": [b"\xff"]}]}), "1a052a030a01ff"),
        (RPC(control={"extensions": {"partial_messages": True}}), "1a0432025001"),
        (RPC(control={"extensions": {"test_extension": True}}), "1a0732059091e21801"),
        (RPC(partial={"topic_id": b"t"}), "52030a0174"),
        (NoiseHandshakePayload(extensions={"stream_muxers": ["y"]}), "2203120179"),
    ],
)
def test_fields_have_the_numbers_of_the_specifications(message: RPC, encoded: str) -> None:
    assert message.SerializeToString(deterministic=True) == bytes.fromhex(encoded)


@given(st.sampled_from([Identify, RPC, NoiseHandshakePayload, Envelope]), st.binary(max_size=64))
def test_any_bytes_are_a_message_or_a_protocol_error(cls: type[RPC], data: bytes) -> None:
    with suppress(RemoteProtocolError):
        assert isinstance(parse(cls, data, what="message"), cls)
