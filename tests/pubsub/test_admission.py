"""What becomes of messages that come."""

from hypothesis import given
from hypothesis import strategies as st

from p2pstack.pubsub.actions import Validate
from p2pstack.pubsub.admission import BLACKLISTED, Admission
from p2pstack.pubsub.events import Duplicate, Rejected
from p2pstack.pubsub.identifiers import data_hash
from p2pstack.pubsub.message import Message
from p2pstack.pubsub.rpc import RawMessage

from .gossipsub.values import check, make_admission, own_message, peer_id, raw_message

LOCAL, AUTHOR, A, B, C = (peer_id(name) for name in ("local", "author", "a", "b", "c"))


def validated(admission: Admission, raw: RawMessage, *senders: object) -> Message:
    """The message that `senders`, one after the other, brought and the first of them had validated."""
    first, *others = (admission.admit(raw, sender, 0.0) for sender in senders)  # type: ignore[arg-type]
    assert isinstance(first, Validate)
    assert all(isinstance(other, Duplicate) for other in others)
    return first.message


def test_a_message_has_what_it_came_with_and_the_id_that_the_function_makes() -> None:
    raw = raw_message(AUTHOR, 7, "topic", b"data")
    message = validated(make_admission(LOCAL), raw, A)
    assert (message.source, message.topic, message.data) == (AUTHOR, "topic", b"data")
    assert (message.sequence, message.received_from) == ((7).to_bytes(8, "big"), A)
    assert (message.id, message.encoded) == (AUTHOR.to_bytes() + (7).to_bytes(8, "big"), raw.encoded)


def test_topics_can_have_id_functions_of_their_own() -> None:
    admission = make_admission(LOCAL, message_ids={"hashed": data_hash})
    hashed = validated(admission, raw_message(AUTHOR, 1, "hashed"), A)
    assert hashed.id == data_hash(hashed)
    assert validated(admission, raw_message(AUTHOR, 1, "t"), A).id == AUTHOR.to_bytes() + (1).to_bytes(8, "big")


def test_copies_in_validation_are_duplicates_that_share_the_outcome() -> None:
    admission = make_admission(LOCAL)
    message = validated(admission, raw_message(AUTHOR, 1), A, B, B, C)
    assert admission.known(message.id)
    assert admission.accept(message, 0.0) == [A, B, C]


def test_a_message_that_was_accepted_is_a_duplicate_from_then_on() -> None:
    admission = make_admission(LOCAL)
    raw = raw_message(AUTHOR, 1)
    admission.accept(validated(admission, raw, A), 0.0)
    assert admission.admit(raw, B, 0.0) == Duplicate(AUTHOR.to_bytes() + (1).to_bytes(8, "big"), "t", B)
    admission.expire(119.9)
    assert isinstance(admission.admit(raw, B, 119.9), Duplicate)
    admission.expire(120.0)
    assert isinstance(admission.admit(raw, B, 120.0), Validate)


def test_a_forged_copy_that_comes_first_does_not_hide_the_true_one() -> None:
    admission = make_admission(LOCAL)
    forged = raw_message(AUTHOR, 1, data=b"forged", signature=b"bad")
    true = raw_message(AUTHOR, 1, data=b"true")
    first, second = admission.admit(forged, A, 0.0), admission.admit(true, B, 0.0)
    assert isinstance(first, Validate)
    assert isinstance(second, Validate)
    assert isinstance(admission.admit(true, C, 0.0), Duplicate)
    assert admission.reject(first.message, 0.0) == [A]
    assert admission.accept(second.message, 0.0) == [B, C]


def test_a_forged_copy_that_fails_last_does_not_disturb_the_true_one() -> None:
    admission = make_admission(LOCAL)
    forged = raw_message(AUTHOR, 1, data=b"forged", signature=b"bad")
    true = raw_message(AUTHOR, 1, data=b"true")
    first, second = admission.admit(forged, A, 0.0), admission.admit(true, B, 0.0)
    assert isinstance(first, Validate)
    assert isinstance(second, Validate)
    assert admission.accept(second.message, 0.0) == [B]
    assert list(admission.reject(first.message, 0.0)) == [A]
    assert isinstance(admission.admit(true, C, 0.0), Duplicate)
    assert admission.known(second.message.id)


def test_of_two_valid_messages_with_one_id_the_first_that_is_accepted_counts() -> None:
    admission = make_admission(LOCAL)
    first = admission.admit(raw_message(AUTHOR, 1, data=b"one"), A, 0.0)
    second = admission.admit(raw_message(AUTHOR, 1, data=b"two"), B, 0.0)
    assert isinstance(first, Validate)
    assert isinstance(second, Validate)
    assert admission.accept(second.message, 0.0) == [B]
    assert admission.accept(first.message, 0.0) is None


def test_what_was_refused_is_refused_again_by_its_bytes_and_may_come_good() -> None:
    admission = make_admission(LOCAL)
    bad = raw_message(AUTHOR, 1, signature=b"bad")
    message = validated(admission, bad, A, B)
    assert admission.reject(message, 0.0) == [A, B]
    again = admission.admit(bad, C, 1.0)
    assert isinstance(again, Rejected)
    assert (again.received_from, again.id) == (C, message.id)
    assert not admission.known(message.id)
    assert isinstance(admission.admit(raw_message(AUTHOR, 1), C, 1.0), Validate)


def test_what_was_refused_is_looked_at_again_when_that_is_long_ago() -> None:
    admission = make_admission(LOCAL)
    bad = raw_message(AUTHOR, 1, signature=b"bad")
    admission.reject(validated(admission, bad, A), 0.0)
    admission.expire(120.0)
    validated(admission, bad, A)


def test_what_was_ignored_is_a_duplicate_and_nobody_is_named() -> None:
    admission = make_admission(LOCAL)
    raw = raw_message(AUTHOR, 1)
    admission.ignore(validated(admission, raw, A), 0.0)
    assert isinstance(admission.admit(raw, B, 0.0), Duplicate)


def test_our_own_message_that_comes_back_is_a_duplicate_even_from_before_a_restart() -> None:
    admission = make_admission(LOCAL)
    message = own_message(LOCAL, 1)
    assert admission.publish(message, 0.0)
    assert not admission.publish(message, 0.0)
    assert isinstance(admission.admit(raw_message(LOCAL, 1), A, 0.0), Duplicate)
    assert isinstance(admission.admit(raw_message(LOCAL, 99), A, 0.0), Duplicate)


def test_what_the_policy_forbids_is_refused_before_anything_is_remembered_of_it() -> None:
    admission = make_admission(LOCAL)
    refused = admission.admit(raw_message(AUTHOR, 1, signature=None), A, 0.0)
    assert refused == Rejected(None, "t", A, "it is not signed")


def test_a_source_that_is_no_peer_id_is_refused() -> None:
    raw = RawMessage("t", b"data", b"nobody", b"1", b"good", None, b"encoded", b"")
    refused = make_admission(LOCAL).admit(raw, A, 0.0)
    assert isinstance(refused, Rejected)
    assert "peer id" in refused.reason


def test_a_message_may_have_no_source() -> None:
    admission = Admission(local_peer=LOCAL, check=lambda raw: None, message_id=data_hash)
    message = validated(admission, RawMessage("t", b"data", encoded=b"encoded"), A)
    assert message.source is None


def test_nobody_on_the_blacklist_writes_or_brings_messages() -> None:
    admission = make_admission(LOCAL, blacklist={A})
    assert admission.admit(raw_message(AUTHOR, 1), A, 0.0) == Rejected(None, "t", A, BLACKLISTED)
    id_ = A.to_bytes() + (1).to_bytes(8, "big")
    assert admission.admit(raw_message(A, 1), B, 0.0) == Rejected(id_, "t", B, BLACKLISTED)
    assert not admission.known(id_)


def test_of_sources_only_so_many_are_kept_parsed() -> None:
    admission = make_admission(LOCAL)
    for number in range(3_000):
        admission.admit(raw_message(peer_id(number), 1), A, 0.0)
    assert len(admission._sources) <= 1_024


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["bring", "accept", "reject", "ignore", "wait"]), st.integers(0, 2), st.integers(0, 2)
        ),
        max_size=60,
    )
)
def test_whatever_happens_a_message_is_accepted_once_and_nothing_is_kept_of_what_is_settled(
    steps: list[tuple[str, int, int]],
) -> None:
    admission = Admission(local_peer=LOCAL, check=check, message_id=lambda m: m.sequence or b"", seen_ttl=1e9)
    open_: list[Message] = []
    accepted: set[bytes] = set()
    now = 0.0
    for what, id_, variant in steps:
        if what == "bring":
            raw = raw_message(AUTHOR, id_, data=b"%d" % variant)
            action = admission.admit(raw, A, now)
            if isinstance(action, Validate):
                assert action.message.id not in accepted
                assert action.message.encoded not in {message.encoded for message in open_}
                open_.append(action.message)
        elif what == "wait":
            now += 1.0
        elif open_:
            message = open_.pop(variant % len(open_))
            if what == "accept":
                first = admission.accept(message, now) is not None
                assert first == (message.id not in accepted)
                accepted.add(message.id)
            elif what == "reject":
                assert list(admission.reject(message, now)) == [A]
            else:
                admission.ignore(message, now)
                accepted.add(message.id)
    for message in open_:
        admission.reject(message, now)
    assert not admission._validating
