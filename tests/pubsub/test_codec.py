"""RPCs as they come. What protobuf's own library makes of the same bytes is the measure."""

import time
from contextlib import suppress
from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import RemoteProtocolError
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.peer_id import PeerId
from p2pstack.pubsub.codec import RPCDecoder, decode, encode
from p2pstack.pubsub.rpc import (
    RPC,
    Extensions,
    Graft,
    IDontWant,
    IHave,
    IWant,
    Partial,
    Prune,
    RawMessage,
    Subscribe,
)
from p2pstack.wire import varint
from p2pstack.wire.framing import encode_frame
from p2pstack.wire.pb import pubsub_pb2 as pb

PEERS = [PrivateKey.generate(kind).peer_id for kind in ("ed25519", "ecdsa")]

maybe_bytes = st.none() | st.binary(max_size=200)
ids = st.lists(st.binary(max_size=40), max_size=8)
topics = st.text(max_size=20)


def field(number: int, data: bytes) -> bytes:
    return varint.encode(number << 3 | 2) + varint.encode(len(data)) + data


@st.composite
def messages(draw: st.DrawFn) -> pb.Message:
    made = pb.Message()
    for name in ("from_peer", "data", "seqno", "signature", "key"):
        if (value := draw(maybe_bytes)) is not None:
            setattr(made, name, value)
    if (topic := draw(st.none() | topics)) is not None:
        made.topic = topic
    return made


@st.composite
def rpcs(draw: st.DrawFn, longest: int = 2**64 - 1) -> pb.RPC:
    rpc = pb.RPC(publish=draw(st.lists(messages(), max_size=4)))
    for topic, subscribe, requests, supports in draw(
        st.lists(st.tuples(topics, *[st.none() | st.booleans()] * 3), max_size=3)
    ):
        rpc.subscriptions.add(
            topic_id=topic, subscribe=subscribe, requests_partial=requests, supports_sending_partial=supports
        )
    if draw(st.booleans()):
        control = rpc.control
        control.SetInParent()
        for topic in draw(st.lists(topics, max_size=2)):
            control.ihave.add(topic_id=topic, message_ids=draw(ids))
            control.graft.add(topic_id=topic)
        for _ in range(draw(st.integers(0, 2))):
            control.iwant.add(message_ids=draw(ids))
            control.idontwant.add(message_ids=draw(ids))
        for topic in draw(st.lists(topics, max_size=2)):
            prune = control.prune.add(topic_id=topic, backoff=draw(st.none() | st.integers(0, longest)))
            for peer, record in draw(st.lists(st.tuples(st.sampled_from(PEERS), maybe_bytes), max_size=3)):
                prune.peers.add(peer_id=peer.to_bytes(), signed_peer_record=record)
        if draw(st.booleans()):
            control.extensions.SetInParent()
            control.extensions.partial_messages = draw(st.booleans())
            control.extensions.test_extension = draw(st.booleans())
    if draw(st.booleans()):
        rpc.partial.SetInParent()
        rpc.partial.topic_id = draw(topics).encode()
        rpc.partial.group_id = draw(st.binary(max_size=10))
        for name in ("partial_message", "parts_metadata"):
            if (value := draw(maybe_bytes)) is not None:
                setattr(rpc.partial, name, value)
    return rpc


def present(message: Any, name: str) -> Any:
    return getattr(message, name) if message.HasField(name) else None


def raw(message: pb.Message, encoded: bytes | None = None) -> RawMessage:
    """What protobuf's library reads."""
    bare = pb.Message()
    bare.CopyFrom(message)
    bare.ClearField("signature")
    bare.ClearField("key")
    signed = b"libp2p-pubsub:" + bare.SerializeToString() if message.HasField("signature") else b""
    return RawMessage(
        topic=message.topic,
        data=message.data,
        source=present(message, "from_peer"),
        sequence=present(message, "seqno"),
        signature=present(message, "signature"),
        key=present(message, "key"),
        encoded=message.SerializeToString() if encoded is None else encoded,
        signed=signed,
    )


def values(rpc: pb.RPC) -> RPC:
    control, partial = rpc.control, rpc.partial
    return RPC(
        subscriptions=[
            Subscribe(s.topic_id, s.subscribe, s.requests_partial, s.supports_sending_partial)
            for s in rpc.subscriptions
        ],
        messages=[raw(message) for message in rpc.publish],
        ihave=[IHave(i.topic_id, list(i.message_ids)) for i in control.ihave],
        iwant=[IWant(list(i.message_ids)) for i in control.iwant],
        idontwant=[IDontWant(list(i.message_ids)) for i in control.idontwant],
        graft=[Graft(g.topic_id) for g in control.graft],
        prune=[
            Prune(
                p.topic_id,
                present(p, "backoff"),
                [(PeerId(info.peer_id), present(info, "signed_peer_record")) for info in p.peers],
            )
            for p in control.prune
        ],
        extensions=Extensions(control.extensions.partial_messages, control.extensions.test_extension)
        if control.HasField("extensions")
        else None,
        partial=Partial(
            partial.topic_id.decode(),
            partial.group_id,
            present(partial, "partial_message"),
            present(partial, "parts_metadata"),
        )
        if rpc.HasField("partial")
        else None,
    )


def listed(rpc: RPC) -> RPC:
    """The same with lists throughout: an RPC that was decoded has them, one that says nothing of a kind may not."""
    return RPC(
        **{
            name: value if name in ("extensions", "partial") else list(value)
            for name in RPC.__slots__
            for value in (getattr(rpc, name),)
        }
    )


@given(rpcs())
def test_decodes_what_protobuf_encodes(rpc: pb.RPC) -> None:
    assert listed(decode(rpc.SerializeToString())) == values(rpc)


@given(rpcs(longest=2**63 - 1))
def test_protobuf_decodes_what_is_encoded_here(rpc: pb.RPC) -> None:
    said = values(rpc)
    together = pb.RPC()
    for payload in encode(said):
        together.MergeFromString(payload)
    # Of lists without ids nothing is left, and what is false in the extensions is not said.
    assert values(together) == RPC(
        **{name: getattr(said, name) for name in RPC.__slots__ if name not in ("ihave", "iwant", "idontwant")},
        ihave=[ihave for ihave in said.ihave if ihave.ids],
        iwant=[iwant for iwant in said.iwant if iwant.ids],
        idontwant=[idontwant for idontwant in said.idontwant if idontwant.ids],
    )


@given(
    st.lists(
        st.one_of(
            st.builds(field, st.integers(1, 6), st.binary(max_size=10)),
            st.builds(
                lambda number, value: varint.encode(number << 3) + varint.encode(value), *[st.integers(1, 99)] * 2
            ),
            st.builds(
                lambda number, value: varint.encode(number << 3 | 1) + value, st.integers(1, 99), st.just(b"8" * 8)
            ),
            st.builds(
                lambda number, value: varint.encode(number << 3 | 5) + value, st.integers(1, 99), st.just(b"4" * 4)
            ),
            st.builds(field, st.integers(7, 1_000), st.binary(max_size=10)),
            # the same, in more bytes than it needs
            st.just(b"\x8a\x00\x81\x00x"),
        ),
        max_size=10,
    )
)
def test_a_message_in_any_order_with_fields_twice_and_unknown_ones_is_read_as_protobuf_reads_it(
    parts: list[bytes],
) -> None:
    encoded = b"".join(parts)
    try:
        message = pb.Message.FromString(encoded)
    except DecodeError:  # one of its topics is no text
        assert len(decode(field(2, encoded)).messages) == 1
        return
    assert list(decode(field(2, encoded)).messages) == [raw(message, encoded)]


def test_a_signature_is_about_the_message_without_signature_and_key_in_order_of_the_fields() -> None:
    encoded = field(6, b"key") + field(4, b"t") + field(5, b"sig") + field(2, b"data") + field(9, b"new")
    assert decode(field(2, encoded)).messages[0].signed == b"libp2p-pubsub:" + (
        field(2, b"data") + field(4, b"t") + field(9, b"new")
    )


@pytest.mark.parametrize("topic", [b"", field(4, b""), field(4, b"\xff\xfe"), b"\x20\x01"], ids=str)
def test_a_message_without_a_topic_that_is_text_leaves_the_others_of_its_rpc_alone(topic: bytes) -> None:
    bad = field(2, b"bad") + topic
    good = field(2, b"good") + field(4, b"t")
    first, second = decode(field(2, bad) + field(2, good)).messages
    assert (first.topic, first.data, first.encoded) == ("", b"bad", bad)
    assert (second.topic, second.data, second.encoded) == ("t", b"good", good)


def test_a_message_is_kept_to_the_byte() -> None:
    encoded = field(4, b"t") + field(2, b"data")
    assert decode(field(2, encoded)).messages[0].encoded == encoded


def test_a_control_message_in_parts_is_one() -> None:
    rpc = decode(field(3, field(3, field(1, b"a"))) + field(3, field(3, field(1, b"b"))))
    assert list(rpc.graft) == [Graft("a"), Graft("b")]


def test_the_order_of_fields_does_not_matter_to_an_rpc() -> None:
    message = field(2, field(4, b"t"))
    rpc = decode(
        message + field(3, field(3, field(1, b"a"))) + message + field(1, b"\x08\x01" + field(2, b"s")) + message
    )
    assert (len(rpc.messages), list(rpc.graft), list(rpc.subscriptions)) == (3, [Graft("a")], [Subscribe("s")])


def test_what_is_not_known_is_passed_over() -> None:
    unknown = field(99, b"x") + b"\x98\x06\x01" + b"\x99\x06" + b"8" * 8 + b"\x9d\x06" + b"4" * 4
    graft = field(3, field(1, b"a") + unknown)
    assert list(decode(unknown + field(3, graft + unknown) + unknown).graft) == [Graft("a")]


def test_peers_without_a_peer_id_are_left_out_of_peer_exchange() -> None:
    peers = (
        field(2, field(1, b"nobody")) + field(2, b"") + field(2, field(1, PEERS[0].to_bytes()) + field(2, b"record"))
    )
    (prune,) = decode(field(3, field(4, field(1, b"t") + peers))).prune
    assert list(prune.peers) == [(PEERS[0], b"record")]


def test_a_backoff_without_end_is_read_and_left_to_the_router() -> None:
    (prune,) = decode(field(3, field(4, field(1, b"t") + b"\x18" + b"\xff" * 9 + b"\x01"))).prune
    assert prune.backoff == 2**64 - 1


@pytest.mark.parametrize(
    "rpc",
    [
        field(1, field(2, b"\xff")),
        field(3, field(3, field(1, b"\xff"))),
        field(3, field(1, field(1, b"\xff"))),
        field(10, field(1, b"\xff")),
    ],
    ids=["subscription", "graft", "ihave", "partial"],
)
def test_a_topic_of_control_that_is_no_text_is_refused(rpc: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="expected a topic in UTF-8, got ff"):
        decode(rpc)


@pytest.mark.parametrize(
    "rpc",
    [
        b"\x12",
        b"\x12\x05abc",
        b"\x12\x02\x0a\x05abc",
        b"\x0a\x05abc",
        b"\x1a\x03\x0a\x05abc",
        b"\x0b\x0c",
        b"\x0f",
        b"\x00\x00",
        b"\x08",
        b"\x08" + b"\xff" * 10,
        b"\x12" + b"\xff" * 9 + b"\x01",
        b"\x09abc",
        b"\x0dabc",
    ],
    ids=bytes.hex,
)
def test_what_is_no_protobuf_is_refused(rpc: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match=r"^pubsub (RPC|message): expected"):
        decode(rpc)


MESSAGE = field(2, field(4, b"t"))


@pytest.mark.parametrize(
    ("element", "wrap"),
    [
        (MESSAGE, lambda elements: elements),
        (field(1, b"\x08\x01" + field(2, b"t")), lambda elements: elements),
        (field(1, b""), lambda elements: elements),
        (field(1, field(1, b"t")), lambda elements: field(3, elements)),
        (field(2, field(1, b"id")), lambda elements: field(3, elements)),
        (field(3, b""), lambda elements: field(3, elements)),
        (field(4, b""), lambda elements: field(3, elements)),
        (field(5, b""), lambda elements: field(3, elements)),
    ],
    ids=["messages", "subscriptions", "empty", "ihave", "iwant", "graft", "prune", "idontwant"],
)
def test_elements_up_to_the_limit_are_taken_and_not_one_more(element: bytes, wrap: Any) -> None:
    decode(wrap(element * 10), max_elements=10)
    with pytest.raises(RemoteProtocolError, match="at most 9 elements"):
        decode(wrap(element * 10), max_elements=9)


@pytest.mark.parametrize(
    "rpc",
    [
        field(3, field(1, field(2, b"id") * 9)),
        field(3, field(2, field(1, b"id") * 9)),
        field(3, field(5, field(1, b"id") * 9)),
        field(3, field(4, field(2, field(1, PEERS[0].to_bytes())) * 9)),
        field(3, field(2, field(1, b"id") * 3) * 3),
        MESSAGE * 5 + field(3, field(2, field(1, b"id") * 4)),
    ],
    ids=["ihave", "iwant", "idontwant", "peer exchange", "over several", "with messages"],
)
def test_elements_within_elements_count_with_them(rpc: bytes) -> None:
    decode(rpc, max_elements=10)
    with pytest.raises(RemoteProtocolError, match="at most 8 elements"):
        decode(rpc, max_elements=8)


def bombs() -> list[Any]:
    size = 1 << 20
    fill = (size - 16) // 2 * 2
    made = {
        "empty subscriptions": b"\x0a\x00" * (size // 2),
        "empty messages": b"\x12\x00" * (size // 2),
        "empty control messages": b"\x1a\x00" * (size // 2),
        "empty ids": field(3, field(1, b"\x12\x00" * (fill // 2))),
        "empty ids of many messages": field(3, field(1, b"\x12\x00" * 60) * (fill // 123)),
        "empty grafts": field(3, b"\x1a\x00" * (fill // 2)),
        "empty peers": field(3, field(4, b"\x12\x00" * (fill // 2))),
        "peers": field(3, field(4, field(2, field(1, PEERS[0].to_bytes())) * (fill // 42))),
        "a field of a message over and over": field(2, b"\x0a\x00" * (fill // 2)),
        "unknown fields of a message": field(2, b"\x38\x00" * (fill // 2)),
        "unknown fields": b"\x38\x00" * (size // 2),
        "long keys": (b"\xb8" + b"\x80" * 8 + b"\x00\x00") * (size // 11),
        "extensions over and over": field(3, field(6, b"\x50\x01" * (fill // 2))),
        "parts of a control message": field(3, field(6, b"")) * (size // 4),
    }
    return [pytest.param(rpc, id=name) for name, rpc in made.items()]


@pytest.mark.parametrize("rpc", bombs())
def test_a_megabyte_of_small_things_is_refused_before_it_costs_anything(rpc: bytes) -> None:
    assert len(rpc) <= 1 << 20
    assert cheapest(rpc, "at most 5000 elements, got more") < 0.25  # 0.05 where no lines are counted


def test_a_megabyte_of_one_number_is_refused_at_once() -> None:
    assert cheapest(b"\x08" + b"\xff" * 1_000_000, "at most 10 bytes") < 0.25  # 0.05 where no lines are counted


def cheapest(rpc: bytes, error: str) -> float:
    """Seconds of CPU that it takes to refuse, at least: in between, the tests' own garbage is collected."""
    costs: list[float] = []
    for _ in range(3):
        began = time.thread_time()
        with pytest.raises(RemoteProtocolError, match=error):
            decode(rpc)
        costs.append(time.thread_time() - began)
    return min(costs)


@given(st.binary(max_size=200))
def test_any_bytes_give_an_rpc_or_are_refused(data: bytes) -> None:
    with suppress(RemoteProtocolError):
        decode(data)


@given(rpcs(), st.data())
def test_an_rpc_that_is_cut_or_changed_gives_an_rpc_or_is_refused(rpc: pb.RPC, data: st.DataObject) -> None:
    encoded = bytearray(rpc.SerializeToString())
    if encoded:
        for _ in range(data.draw(st.integers(0, 3))):
            encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
        del encoded[data.draw(st.integers(0, len(encoded))) :]
    try:
        decoded = decode(bytes(encoded))
    except RemoteProtocolError:
        return
    for message in decoded.messages:
        assert all(isinstance(getattr(message, name), bytes | str | None) for name in RawMessage.__slots__)


@given(st.lists(rpcs(), max_size=3), st.data())
def test_bytes_in_any_pieces_give_the_same_rpcs(said: list[pb.RPC], data: st.DataObject) -> None:
    wire = b"".join(encode_frame(rpc.SerializeToString()) for rpc in said)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=5)))
    decoder = RPCDecoder()
    heard: list[RPC] = []
    for start, stop in zip([0, *cuts], [*cuts, len(wire)], strict=True):
        decoder.receive_data(wire[start:stop])
        while (rpc := decoder.next_rpc()) is not None:
            heard.append(listed(rpc))
    assert heard == [rpc for rpc in map(values, said) if rpc != listed(RPC())]


def test_a_buffer_may_be_used_again_once_it_was_received() -> None:
    buffer = bytearray(encode_frame(field(2, field(2, b"data") + field(4, b"t"))))
    decoder = RPCDecoder()
    decoder.receive_data(memoryview(buffer))
    buffer[:] = bytes(len(buffer))
    rpc = decoder.next_rpc()
    assert rpc is not None
    assert rpc.messages[0].data == b"data"
    # Nor do the values change with a buffer that is decoded as it is.
    buffer = bytearray(field(2, field(2, b"data") + field(4, b"t")))
    message = decode(buffer).messages[0]
    buffer[:] = bytes(len(buffer))
    assert (message.data, message.topic, message.encoded) == (b"data", "t", field(2, b"data") + field(4, b"t"))


def test_an_rpc_above_the_limit_is_refused_by_its_length() -> None:
    decoder = RPCDecoder(max_size=1_000)
    decoder.receive_data(varint.encode(1_001))
    with pytest.raises(RemoteProtocolError, match="pubsub RPC: expected at most 1000 bytes, got a length of 1001"):
        decoder.next_rpc()


def test_the_decoder_counts_elements_of_each_rpc_by_itself() -> None:
    decoder = RPCDecoder(max_elements=2)
    decoder.receive_data(encode_frame(MESSAGE * 2) * 3 + encode_frame(MESSAGE * 3))
    for _ in range(3):
        rpc = decoder.next_rpc()
        assert rpc is not None
        assert len(rpc.messages) == 2
    with pytest.raises(RemoteProtocolError, match="at most 2 elements"):
        decoder.next_rpc()


@pytest.mark.parametrize("nothing", [b"", b"\x38\x01", b"\x1a\x00"], ids=["empty", "unknown", "control"])
def test_rpcs_that_say_nothing_are_passed_over_and_not_for_ever(nothing: bytes) -> None:
    decoder = RPCDecoder()
    for _ in range(5):
        decoder.receive_data(encode_frame(nothing) * 100 + encode_frame(MESSAGE))
        rpc = decoder.next_rpc()
        assert rpc is not None
        assert len(rpc.messages) == 1
        assert decoder.next_rpc() is None
    decoder.receive_data(encode_frame(nothing) * 101)
    with pytest.raises(RemoteProtocolError, match="expected some to say something, got 101 that do not"):
        decoder.next_rpc()


@given(st.binary(max_size=300))
def test_any_bytes_on_a_stream_give_rpcs_or_are_refused(data: bytes) -> None:
    decoder = RPCDecoder()
    decoder.receive_data(data)
    with suppress(RemoteProtocolError):
        while decoder.next_rpc() is not None:
            pass


@pytest.mark.parametrize("kind", ["ihave", "iwant", "idontwant"])
def test_a_list_of_as_many_ids_as_there_may_be_elements_is_taken(kind: str) -> None:
    ids = [b"%020d" % number for number in range(5_000)]
    lists: dict[str, Any] = {"ihave": IHave("t", ids), "iwant": IWant(ids), "idontwant": IDontWant(ids)}
    rpc = pb.RPC()
    entry = getattr(rpc.control, kind).add()
    entry.message_ids.extend(ids)
    if kind == "ihave":
        entry.topic_id = "t"
    assert list(getattr(decode(rpc.SerializeToString()), kind)) == [lists[kind]]
    entry.message_ids.append(b"one more")
    with pytest.raises(RemoteProtocolError, match="at most 5000 elements"):
        decode(rpc.SerializeToString())


@pytest.mark.parametrize("kind", ["ihave", "iwant", "idontwant"])
def test_lists_without_ids_count_too(kind: str) -> None:
    rpc = pb.RPC()
    for _ in range(5_001):
        getattr(rpc.control, kind).add()
    with pytest.raises(RemoteProtocolError, match="at most 5000 elements"):
        decode(rpc.SerializeToString())
