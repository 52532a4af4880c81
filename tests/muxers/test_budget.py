"""What applications leave unread has one bound."""

import pytest

from p2pstack.errors import LimitExceeded
from p2pstack.muxers.budget import ReceiveBudget


def test_counts_in_and_out() -> None:
    budget = ReceiveBudget(100)
    budget.take(60)
    budget.take(40)
    budget.release(99)
    assert budget.used == 1


def test_is_tight_above_half() -> None:
    budget = ReceiveBudget(100)
    budget.take(50)
    assert not budget.tight
    budget.take(1)
    assert budget.tight


def test_refuses_and_does_not_count_what_has_no_room() -> None:
    budget = ReceiveBudget(100)
    budget.take(90)
    with pytest.raises(LimitExceeded, match="limit 100, used 101; read streams faster") as caught:
        budget.take(11)
    assert (caught.value.limit, caught.value.used) == (100, 101)
    assert (budget.used, budget.refused) == (90, 1)
    budget.take(10)
