from __future__ import annotations

from pathlib import Path

from codes import raises
from leaderboard.records import data_root, record
from unconceal.leaderboard.leaderboard_file import leaderboard_pages, reported_page
from unconceal.paths import SOURCE_TREE
from unconceal.specs.reported import load_reported

SOURCE = "source: {arxiv: '2401.00001', title: A *paper*, location: table 1, url: 'https://arxiv.org/abs/2401.00001', note: two decimals}\n"
ROW = "rows:\n  - {method: ESD, target: star, split: forget, prompt: 'a | star', ccs: 0.5, crs: -0.05}\n"


def written(folder: Path, text: str, name: str = "one.yaml") -> Path:
    path = folder / "reported" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return folder


def test_reported_rows_have_a_source_and_no_rank(tmp_path: Path) -> None:
    message = reported_page(load_reported((written(tmp_path, SOURCE + ROW),)))
    assert (
        "## A \\*paper\\* ([arXiv 2401.00001](https://arxiv.org/abs/2401.00001))" in message and "Source: table 1. two decimals." in message
    )
    row = next(line for line in message.splitlines() if line.startswith("| ESD"))
    assert [cell.strip() for cell in row.replace("\\|", "¦").strip("|").split("|")] == [
        "ESD",
        "star",
        "forget",
        "a ¦ star",
        ".50",
        "−.05",
        "–",
        "–",
    ]
    assert "rank" not in message.split("| method")[1]


def test_every_version_has_a_page_and_the_newest_is_the_leaderboards(tmp_path: Path) -> None:
    root = data_root(tmp_path, record(), record("older", suite_version=0))
    pages = {str(path.relative_to(tmp_path)): text for path, text in leaderboard_pages(root).items()}
    assert set(pages) == {"LEADERBOARD.md", "results/miniature-1/README.md", "results/miniature-0/README.md"}
    assert "older" not in pages["LEADERBOARD.md"].replace("Older", "") and "| older" in pages["results/miniature-0/README.md"]
    assert "[miniature-0](results/miniature-0/README.md)" in pages["LEADERBOARD.md"]


def test_an_earlier_folder_hides_a_later_ones_file(tmp_path: Path) -> None:
    item, two = (written(tmp_path / name, SOURCE + ROW.replace("ESD", name)) for name in ("first", "second"))
    assert [source.rows[0].method for source in load_reported((item, two))] == ["first"]


def test_a_source_is_needed(tmp_path: Path) -> None:
    with raises("spec.missing-field"):
        load_reported((written(tmp_path, ROW),))


def test_the_committed_values_are_those_of_the_page() -> None:
    """Spot checks against the project page's table, and its counts."""
    (source,) = load_reported((SOURCE_TREE / "results",))
    assert source.source.arxiv == "2409.05668" and len(source.rows) == 26
    result = {(row.method, row.target, row.prompt): row for row in source.rows}
    starry = result["ESD-x", "Van Gogh", "Starry Night by Van Gogh"]
    assert (starry.ccs, starry.crs, starry.kid_original, starry.kid_unlearned) == (0.38, 0.03, 0.27, 0.13)
    assert all(row.prompt.startswith("prompt ") for row in source.rows if row.target == "nudity")
    assert sum(row.split == "retain" for row in source.rows) == 11
