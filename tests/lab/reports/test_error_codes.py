"""The page of error codes is current, and every failure in the source has a code of the common form."""

from __future__ import annotations

import ast
import re

import pytest

from unconceal.paths import PACKAGE, SOURCE_TREE
from unconceal_lab.reports.error_codes import CODE, SPEC_KINDS, codes_of, error_codes, page

ERRORS = {"CheckFailed", "UsageError", "EnvironmentFault"}


def test_the_page_is_current() -> None:
    assert (SOURCE_TREE / "docs/reference/error-codes.md").read_text(encoding="utf-8") == page()


def test_codes_have_the_common_form() -> None:
    assert len(error_codes()) > 200
    assert all(re.fullmatch(r"[a-z-]+(\.[a-z0-9-]+)+", code) for code in error_codes())
    assert {f"{kind}.unknown" for kind in SPEC_KINDS} <= set(error_codes())


@pytest.mark.parametrize("package", ["unconceal", "unconceal_lab"])
def test_every_literal_first_argument_of_an_error_is_a_code(package: str) -> None:
    wrong = []
    for path in sorted((PACKAGE.parent / package).rglob("*.py")):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") in ERRORS and call.args:
                first = call.args[0]
                if isinstance(first, ast.Constant) and not CODE.fullmatch(str(first.value)):
                    wrong.append(f"{path.name}:{call.lineno}")
                assert not isinstance(first, ast.Call), f"{path.name}:{call.lineno}: no code"
    assert not wrong


def test_codes_of_a_tree() -> None:
    tree = ast.parse('raise UsageError("a.b-c", x, y, z)\nother("d.e")\nUsageError(f"{kind}.unknown", x, y, z)')
    assert list(codes_of(tree)) == [("a.b-c", 2), ("task.unknown", 2), ("submission.unknown", 2)]
