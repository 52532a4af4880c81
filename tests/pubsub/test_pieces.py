"""How RPCs are cut so that every implementation takes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.identity.keys import PrivateKey
from p2pstack.pubsub.codec import decode, encode
from p2pstack.pubsub.fields import FieldReader
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

PEER = PrivateKey.generate().peer_id
ids = st.lists(st.binary(max_size=60), min_size=1, max_size=60)
topics = st.text(max_size=10)
rpcs = st.builds(
    RPC,
    subscriptions=st.lists(st.builds(Subscribe, topics, *[st.booleans()] * 3), max_size=20),
    messages=st.lists(
        st.builds(lambda n: RawMessage("", b"", encoded=b"\x22\x00" * n), st.integers(0, 300)), max_size=9
    ),
    ihave=st.lists(st.builds(IHave, topics, ids), max_size=4),
    iwant=st.lists(st.builds(IWant, ids), max_size=4),
    graft=st.lists(st.builds(Graft, topics), max_size=20),
    prune=st.lists(
        st.builds(Prune, topics, st.none() | st.integers(0, 1_000), st.lists(st.just((PEER, b"record")), max_size=9)),
        max_size=9,
    ),
    idontwant=st.lists(st.builds(IDontWant, ids), max_size=4),
    extensions=st.none() | st.builds(Extensions, st.booleans(), st.booleans()),
    partial=st.none() | st.builds(Partial, topics, st.binary(max_size=9), st.none() | st.binary(max_size=400)),
)


@given(rpcs, st.sampled_from([200, 500, 16_384]))
def test_an_rpc_that_is_cut_says_the_same_in_the_same_order(rpc: RPC, size: int) -> None:
    heard = [decode(payload) for payload in encode(rpc, size=size)]

    for kind in ("subscriptions", "graft", "prune"):
        assert [value for part in heard for value in getattr(part, kind)] == list(getattr(rpc, kind))
    assert [m.encoded for part in heard for m in part.messages] == [m.encoded for m in rpc.messages]
    for kind in ("iwant", "idontwant"):
        assert [i for part in heard for value in getattr(part, kind) for i in value.ids] == [
            i for value in getattr(rpc, kind) for i in value.ids
        ]
    assert [(value.topic, i) for part in heard for value in part.ihave for i in value.ids] == [
        (value.topic, i) for value in rpc.ihave for i in value.ids
    ]
    assert [part.partial for part in heard if part.partial] == ([rpc.partial] if rpc.partial else [])
    assert [part.extensions for part in heard[:1]] == [rpc.extensions][: len(heard)]
    assert all(part.extensions is None for part in heard[1:])


@given(rpcs, st.sampled_from([200, 500, 16_384]))
def test_no_payload_is_longer_than_it_may_be_unless_it_is_of_one_piece(rpc: RPC, size: int) -> None:
    for payload in encode(rpc, size=size):
        if len(payload) > size:
            part = decode(payload)
            lists = [getattr(part, name) for name in RPC.__slots__ if name not in ("extensions", "partial")]
            assert sum(map(len, lists)) + (part.extensions is not None) + (part.partial is not None) == 1
            assert not any(len(value.ids) > 1 for value in (*part.ihave, *part.iwant, *part.idontwant))


@given(rpcs)
def test_the_control_message_comes_once_in_a_payload(rpc: RPC) -> None:
    # js-libp2p keeps only the last one.
    for payload in encode(rpc):
        assert [key for key, *_ in FieldReader(5_000).fields(payload)].count(0x1A) <= 1


def test_little_goes_in_one() -> None:
    rpc = RPC(subscriptions=[Subscribe("a")], graft=[Graft("a")], prune=[Prune("b", 60)], iwant=[IWant([b"1", b"2"])])
    assert len(encode(rpc)) == 1


def test_nothing_is_no_payload() -> None:
    assert encode(RPC(ihave=[IHave("t", [])], iwant=[IWant([])])) == []


def test_no_payload_has_more_control_than_rust_libp2p_takes() -> None:
    rpc = RPC(
        subscriptions=[Subscribe(f"topic-{n}") for n in range(2_000)],
        ihave=[IHave("topic", [bytes(46)] * 5_000)],
        iwant=[IWant([bytes(46)] * 5_000)],
    )
    payloads = encode(rpc)
    assert max(map(len, payloads)) <= 16_384
    assert sum(map(len, payloads)) / 16_384 > 0.95 * len(payloads)


@pytest.mark.parametrize(
    ("rpc", "wire"),
    [
        # As go-libp2p-pubsub 0.19 writes them.
        (RPC(subscriptions=[Subscribe("t")]), "0a05 0801 120174"),
        (RPC(subscriptions=[Subscribe("t", subscribe=False)]), "0a05 0800 120174"),
        (RPC(subscriptions=[Subscribe("t", True, True, True)]), "0a09 0801 120174 1801 2001"),
        (RPC(graft=[Graft("t")]), "1a05 1a030a0174"),
        (RPC(prune=[Prune("t", 60)]), "1a07 22050a0174183c"),
        (RPC(ihave=[IHave("t", [b"i"])]), "1a08 0a060a0174120169"),
        (RPC(iwant=[IWant([b"i"])]), "1a05 12030a0169"),
        (RPC(idontwant=[IDontWant([b"i"])]), "1a05 2a030a0169"),
        (RPC(extensions=Extensions(partial_messages=True)), "1a04 32025001"),
        (RPC(extensions=Extensions(test_extension=True)), "1a07 3205 9091e218 01"),
        (RPC(extensions=Extensions()), "1a02 3200"),
        (RPC(partial=Partial("t", b"g", b"m", b"p")), "520c 0a0174 120167 1a016d 220170"),
    ],
    ids=lambda value: None if isinstance(value, str) else str(value)[:40],
)
def test_what_is_on_the_wire(rpc: RPC, wire: str) -> None:
    assert encode(rpc) == [bytes.fromhex(wire.replace(" ", ""))]
