"""Expected failures by their code: wording is free, codes are not."""

from __future__ import annotations

import pytest

from unconceal.errors import UnconcealError


def raises(code: str) -> pytest.RaisesExc[UnconcealError]:
    """A context that expects an :class:`UnconcealError` of this code."""
    return pytest.raises(UnconcealError, check=lambda error: error.code == code)
