"""Our canonical JSON against the reference implementation's."""

from __future__ import annotations

import math
from typing import Any

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from unconceal.specs.canonical_json import canonical_json, finite_canonical_json

SAFE = st.integers(-(2**53) + 1, 2**53 - 1)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
WORDS = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | SAFE | NUMBERS | WORDS,
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(WORDS, inner),
)


@given(VALUES)
@example([0.0, -0.0, 1.0, 1e-4, 9.99e-5, 1e-7, 1e16, 1e21, 123456789012345680.0, 5e-324, 1.7976931348623157e308, 0.1 + 0.2])
@example({"a": "1.0,2e5]", "b": [1.0, "x", -0.0, 2e-7], "c": {"d": 3.0}})
@example({"\ufb33": 1, "\U0001f600": 2, "é": 3, "\r": 4, "": 5, 'ö\\"': 6, "\u007f": 7})
def test_written_as_the_reference_writes_it(value: Any) -> None:
    assert canonical_json(value) == finite_canonical_json(value) == rfc8785.dumps(value)


@pytest.mark.parametrize("value", [math.nan, [math.inf], {"a": (-math.inf,)}, 2**53, {"a": object}])
def test_what_json_has_no_word_for_is_refused(value: Any) -> None:
    with pytest.raises(rfc8785.CanonicalizationError):
        canonical_json(value)
    with pytest.raises(TypeError):
        canonical_json({1: 2})
