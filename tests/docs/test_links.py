"""Links lead to a file and a heading, paths in text exist, and the index names every page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.pages import FENCE, PAGES, ROOT
from unconceal_lab.reports import error_codes
from unconceal_lab.reports.metrics_reference import reference

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
SOURCE_PATH = re.compile(r"\bdocs/[\w/-]+\.(?:md|webp|png|json|jsonl)\b")
REFERENCE = ROOT / "docs/reference/metric-functions.md"


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for target in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        assert not anchor or file.suffix != ".md" or anchor in anchors(file), target


def test_pages_named_in_code_and_specs_exist() -> None:
    files = [*(ROOT / "benchmark").rglob("*.py"), *(ROOT / "tasks").rglob("*.yaml"), *ROOT.glob("*.md"), ROOT / "pyproject.toml"]
    for file in files:
        for path in SOURCE_PATH.findall(file.read_text(encoding="utf-8")):
            assert (ROOT / path).exists(), (file, path)


def test_the_index_names_every_page() -> None:
    index = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    pages = {page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")} - {"README.md"}
    assert pages == {target for target in LINK.findall(index) if not target.startswith("..") and target.endswith(".md")}


def test_the_readme_fits_in_120_lines() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120


def test_the_image_of_the_readme_is_small() -> None:
    assert (ROOT / "docs/images/psi-strip.webp").stat().st_size <= 150_000


def test_the_metric_reference_equals_the_docstrings() -> None:
    stale = "run `python -m unconceal_lab metrics-reference`"
    assert REFERENCE.read_text(encoding="utf-8") == reference(), stale


def test_the_error_codes_equal_those_of_the_source() -> None:
    stale = "run `python -m unconceal_lab error-codes`"
    assert (ROOT / "docs/reference/error-codes.md").read_text(encoding="utf-8") == error_codes.page(), stale
