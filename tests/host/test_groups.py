"""The one error of a group comes out alone; what a user grouped stays grouped."""

import pytest

from p2pstack.host.groups import ungrouped


def nested(error: Exception, levels: int) -> Exception:
    for _ in range(levels):
        error = ExceptionGroup("a task group", [error])
    return error


@pytest.mark.parametrize("levels", [1, 2])
def test_the_only_error_comes_out_as_it_is(levels: int) -> None:
    error = ValueError("no")
    with pytest.raises(ValueError, match="no") as caught, ungrouped(levels=2):
        raise nested(error, levels)
    assert caught.value is error
    assert caught.value.__context__ is None


def test_a_group_of_the_user_stays_a_group() -> None:
    users = ExceptionGroup("mine", [ValueError()])
    with pytest.raises(ExceptionGroup) as caught, ungrouped(levels=2):
        raise nested(users, 2)
    assert caught.value is users


def test_several_errors_stay_together() -> None:
    both = ExceptionGroup("a task group", [ValueError(), KeyError()])
    with pytest.raises(ExceptionGroup) as caught, ungrouped(levels=2):
        raise nested(both, 1)
    assert caught.value is both


def test_what_is_no_group_is_left_alone() -> None:
    with pytest.raises(KeyError), ungrouped(levels=2):
        raise KeyError
    with ungrouped(levels=2):
        pass
