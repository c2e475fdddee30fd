"""A child that crashes, hangs, fills the memory or fails costs one error, and is gone afterwards."""

from __future__ import annotations

import ctypes
import os
import time
from typing import Any

import pytest

from codes import raises
from unconceal.errors import EnvironmentFault
from unconceal.sandbox.child import Limits, in_child

SMALL = Limits(seconds=1.0, memory=2**28)


def test_answers_and_errors_come_back() -> None:
    assert in_child("x", lambda: {"a": [1, None, "θ"]}) == {"a": [1, None, "θ"]}

    def fail() -> None:
        raise EnvironmentFault("checkpoint.not-here", "a", "b", "c")

    with raises("checkpoint.not-here") as caught:
        in_child("x", fail)
    assert isinstance(caught.value, EnvironmentFault) and (caught.value.value, caught.value.remedy) == ("a", "c")


@pytest.mark.parametrize(
    ("work", "code"),
    [
        (lambda: ctypes.string_at(0), "sandbox.crashed"),
        (lambda: os._exit(3), "sandbox.crashed"),
        (lambda: os.abort(), "sandbox.crashed"),
        (lambda: time.sleep(60), "sandbox.timeout"),
        (lambda: bytearray(2**30) and None, "sandbox.memory"),
        (lambda: 1 // 0, "sandbox.failed"),
        (lambda: object(), "sandbox.crashed"),
    ],
)
def test_what_goes_wrong_is_one_error(work: Any, code: str) -> None:
    started = time.monotonic()
    with raises(code):
        in_child("a file", work, SMALL)
    assert time.monotonic() - started < 5
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
