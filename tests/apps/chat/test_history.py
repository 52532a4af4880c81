"""History is the same for all who have heard the same, and bounded."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from p2pstack.apps.chat.history import History
from p2pstack.apps.chat.messages import MAX_AHEAD

from_lines = st.lists(st.tuples(st.integers(0, 20), st.sampled_from("abcdef")), max_size=30)


def test_lines_stand_in_their_order_and_once(make_line: Any) -> None:
    history = History()
    lines = [make_line(str(time), time=time) for time in (3, 1, 2)]
    for entry in (*lines, *lines):
        history.add(entry)
    assert [entry.line.text for entry in history] == ["1", "2", "3"]
    assert len(history) == 3
    assert lines[0].id in history
    assert history.ids == [lines[0].id, lines[2].id, lines[1].id]
    assert history.find([lines[0].id, b"other", lines[1].id]) == [lines[1], lines[0]]
    assert history.missing([lines[0].id, b"x", b"x"]) == [b"x"]


def test_a_line_is_written_after_all_that_was_read(make_line: Any) -> None:
    history = History()
    assert history.next_time(500) == 500
    history.add(make_line(time=1_000))
    assert history.next_time(500) == 1_001
    assert history.next_time(2_000) == 2_000


def test_a_line_that_claims_the_latest_time_does_not_push_ours_beyond_it(make_line: Any) -> None:
    history, now = History(), 10_000_000
    history.add(make_line(time=now + MAX_AHEAD))
    assert now < history.next_time(now) <= now + MAX_AHEAD // 2


def test_the_newest_stay(make_line: Any) -> None:
    history, lines = History(limit=2), [make_line(str(time), time=time) for time in range(4)]
    for entry in lines[1:3]:
        assert history.displaced_by(entry) == ()
        history.add(entry)
    assert history.displaced_by(lines[0]) is None
    assert history.displaced_by(lines[1]) is None
    history.add(lines[0])
    assert history.displaced_by(lines[3]) == (lines[1],)
    history.add(lines[3])
    assert list(history) == lines[2:]


@given(lines=from_lines, limit=st.integers(1, 10), chance=st.randoms(use_true_random=False))
def test_what_comes_first_does_not_matter(
    make_line: Any, lines: list[tuple[int, str]], limit: int, chance: Any
) -> None:
    entries = [make_line(text, time=time) for time, text in lines]
    one, other = History(limit=limit), History(limit=limit)
    for entry in entries:
        one.add(entry)
        assert len(one) <= limit
    chance.shuffle(entries)
    for entry in entries:
        other.add(entry)
    assert list(one) == list(other)
    assert one.digest == other.digest
    newest = sorted({entry.id: entry for entry in entries}.values(), key=lambda entry: entry.place)[-limit:]
    assert list(one) == newest


def test_digests_tell_histories_apart(make_line: Any) -> None:
    one, other = History(), History()
    assert one.digest == other.digest
    one.add(make_line())
    assert one.digest != other.digest
