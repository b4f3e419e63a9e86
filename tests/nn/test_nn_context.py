from __future__ import annotations

import threading

import pytest

from retiarii import errors, utils
from retiarii.utils import ContextStack, NoContextError, get_current_context


def test_innermost_value_counts():
    with ContextStack("key", 1) as context:
        assert isinstance(context, ContextStack)
        assert get_current_context("key") == 1
        with ContextStack("key", 2), ContextStack("other", 3):
            assert get_current_context("key") == 2
            assert get_current_context("other") == 3
        assert get_current_context("key") == 1


@pytest.mark.parametrize("get", [get_current_context, ContextStack.top, ContextStack.pop])
def test_nothing_outside(get):
    with pytest.raises(NoContextError, match="'key'"):
        get("key")


def test_exceptions_restore_everything():
    with pytest.raises(KeyError), ContextStack("key", 1), ContextStack("key", 2):
        raise KeyError
    with pytest.raises(NoContextError):
        get_current_context("key")


def test_push_and_pop():
    ContextStack.push("key", 1)
    assert ContextStack.top("key") == 1
    ContextStack.pop("key")
    with pytest.raises(NoContextError):
        ContextStack.top("key")


def test_one_object_may_be_entered_inside_itself():
    context = ContextStack("key", 1)
    with context:
        with context:
            pass
        assert get_current_context("key") == 1


def test_other_threads_do_not_see_it():
    seen = []

    def look():
        try:
            seen.append(get_current_context("key"))
        except NoContextError:
            seen.append("nothing")

    with ContextStack("key", 1):
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
    assert seen == ["nothing"]


def test_public_names():
    assert utils.NoContextError is errors.NoContextError
    assert set(utils.__all__) <= set(dir(utils))
