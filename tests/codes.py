"""Expected failures by their code: wording is free, codes are not."""

from __future__ import annotations

import re

import pytest
from pydantic import ValidationError

from unconceal.errors import UnconcealError


def raises(code: str) -> pytest.RaisesExc[UnconcealError]:
    """A context that expects an :class:`UnconcealError` of this code."""
    return pytest.raises(UnconcealError, check=lambda error: error.code == code)


def refuses(code: str) -> pytest.RaisesExc[ValidationError]:
    """A context in which a spec refuses its values with a mistake of this code."""
    return pytest.raises(ValidationError, check=lambda error: code in mistake_codes(error))


def mistake_codes(error: ValidationError) -> list[str]:
    """The codes of a spec's own mistakes; the types of all other errors."""
    details = error.errors()
    mistakes = [mistake.code for detail in details for mistake in detail.get("ctx", {}).get("mistakes", ())]
    return mistakes + [detail["type"] for detail in details if detail["type"] != "mistakes"]


def printed_codes(output: str) -> list[str]:
    """The codes that end the error lines of a command's output."""
    return re.findall(r"^.*\[([a-z0-9-]+\.[a-z0-9-]+)\]$", output, re.MULTILINE)
