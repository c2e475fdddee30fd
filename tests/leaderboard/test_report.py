from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from leaderboard.records import PROMPTS, control, curve, data_root, record, score, strip, submission
from unconceal.leaderboard.report import page, write_report
from unconceal.leaderboard.sources import Sources
from unconceal.paths import DataRoot
from unconceal.results.result_tables import all_boards
from unconceal.specs.record import Curve, Record, Verdict

HOSTILE = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>"


class Elements(HTMLParser):
    """The tags of a page, with their attributes, and the tags left open."""

    VOID = ("meta", "img", "br", "input", "link", "hr")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def root_with(folder: Path, *records: Record) -> DataRoot:
    golds = [control(f"gold-{number}", at=0.5 + 0.03 * number) for number in (1, 2, 3)]
    return data_root(folder, *records, *golds, control("original", "intact", at=-0.3))


def rendered(root: DataRoot, name: str = "esd-x") -> str:
    board = next(board for board in all_boards([root.results]) if board.find(name))
    row = board.find(name)
    assert row is not None
    return page(board, row, Sources(root))


def with_strips(root: DataRoot, prompts: tuple[str, ...] = PROMPTS) -> DataRoot:
    for path in root.results.rglob("*.json"):
        strip(path.with_suffix(".strip.png"), prompts=prompts)
    return root


def test_a_page_is_whole_and_needs_nothing_from_outside(tmp_path: Path) -> None:
    elements = Elements(rendered(with_strips(root_with(tmp_path, record()))))
    assert not elements.open
    tags = [tag for tag, _ in elements.found]
    assert "script" not in tags and "link" not in tags and "iframe" not in tags
    sources = [attributes["src"] for _, attributes in elements.found if "src" in attributes]
    assert sources and all(source and source.startswith("data:image/") for source in sources)
    assert tags.count("svg") == 3 + 6


def test_nothing_in_the_style_is_fetched(tmp_path: Path) -> None:
    text = rendered(root_with(tmp_path, record()))
    assert "@import" not in text and not re.findall(r"url\((?!#)", text)


def test_three_models_for_each_prompt_and_arm(tmp_path: Path) -> None:
    text = rendered(with_strips(root_with(tmp_path, record())))
    assert text.count("<img ") == 3 * (2 * 3 + 1)
    assert text.count("θ, the original</span>") == 6 + 3 and text.count("gold, never saw it") == 6
    assert "blur" not in text.partition("</style>")[2]


def test_missing_pictures_say_how_to_make_them(tmp_path: Path) -> None:
    text = rendered(root_with(tmp_path, record()))
    assert "<img" not in text and "unconceal run esd-x --task object/star --tier full" in text


def test_a_broken_strip_is_told_not_raised(tmp_path: Path) -> None:
    root = root_with(tmp_path, record())
    path = root.results / "miniature-1/object/star/esd-x.standard-full.strip.png"
    path.write_bytes(b"no picture")
    assert "is no ψ strip" in rendered(root)


def test_controls_without_the_same_prompt_are_left_out(tmp_path: Path) -> None:
    root = with_strips(root_with(tmp_path, record()))
    strip(root.results / "miniature-1/object/star/control-original.standard-full.strip.png", prompts=("another", "prompt", "here"))
    text = rendered(root)
    assert text.count("<img ") == 3 * (2 * 2 + 1) and text.count("θ, the original</span>") == 3


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    bad = record(verdict=Verdict(label="conceals", why=HOSTILE, gold="trained-without"), damage={HOSTILE: score(0.1)})
    root = with_strips(root_with(tmp_path, bad), prompts=(HOSTILE, "b", "c"))
    spec = submission("esd-x", HOSTILE, description=HOSTILE, paper="javascript:alert(1)")
    (root.submissions / "miniature/esd-x.yaml").write_text(spec.model_dump_json(exclude_none=True))
    text = rendered(root)
    assert "<script" not in text and "<img src=x" not in text and "javascript:" not in text
    assert text.count("&lt;script&gt;") >= 5
    assert not [attributes for _, attributes in Elements(text).found if any(name.startswith("on") for name in attributes)]


def test_unsafe_pictures_are_blurred_until_asked_for(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"task": "nsfw/sign"}
    text = rendered(with_strips(data_root(tmp_path, record(**changes), control("gold-1", **changes))))
    assert 'type="checkbox"' in text and '<div class="blurred">' in text


def test_a_gold_is_read_against_the_other_golds(tmp_path: Path) -> None:
    assert "other golds, mean and range of 2" in rendered(root_with(tmp_path), "control-gold-1")


def test_missing_golds_and_scores_do_not_break_it(tmp_path: Path) -> None:
    bare = record(scores={}, curves=(), damage={}, verdict=Verdict(label="undetermined", why="no gold"))
    text = rendered(data_root(tmp_path, bare))
    assert not Elements(text).open
    assert "No gold stands behind this verdict" in text and "This record holds no scores" in text and "<svg" not in text


def test_gaps_in_curves_are_drawn_as_gaps(tmp_path: Path) -> None:
    whole = curve("presence", 0.2)
    holes: tuple[float | None, ...] = (None, *whole.value[1:5], None, *whole.value[6:])
    gappy = Curve(**(whole.model_dump() | {"value": holes, "low": holes, "high": holes}))
    assert "<svg" in rendered(data_root(tmp_path, record(curves=(gappy,)), control("gold-1", curves=(gappy,))))


def test_all_values_missing(tmp_path: Path) -> None:
    none: tuple[None, ...] = (None,) * 16
    empty = Curve(**(curve("ccs", 0.2, extractor="resnet18").model_dump() | {"value": none, "low": none, "high": none}))
    assert "<svg" in rendered(data_root(tmp_path, record(curves=(empty,))))


def test_scores_stand_beside_golds_and_original(tmp_path: Path) -> None:
    text = rendered(root_with(tmp_path, record()))
    row = re.search(r"Excess retrieval ↓</th>(.*?)</tr>", text)
    assert row and re.findall(r">([^<>]+)</td>", row[1]) == [".40 [.35, .45]", ".00", ".00", "20"]
    assert "never reached" in text


def test_inseparable_extractors_are_named(tmp_path: Path) -> None:
    scores = record().scores | {"auc.forget.resnet18": score(0.8, 0.1)}
    text = rendered(root_with(tmp_path, record(scores=scores)))
    assert "Not separable: ResNet18;" in text and ">ResNet18 †</th>" in text and "DenseNet121 †" not in text


def test_scores_by_extractor_stand_in_one_row(tmp_path: Path) -> None:
    row = re.search(r"CCS ↓</th>(.*?)</tr>", rendered(root_with(tmp_path, record())))
    assert row and re.findall(r">([^<>]+)</td>", row[1]) == [".55 [.50, .60]"] * 4 + [".55", ".55", "20"]


def test_the_same_record_gives_the_same_bytes(tmp_path: Path) -> None:
    root = root_with(tmp_path, record())
    assert rendered(root) == rendered(root)


@pytest.mark.parametrize("name", ["esd-x", "control-original"])
def test_where_a_page_lies(tmp_path: Path, name: str) -> None:
    root = root_with(tmp_path, record())
    board = all_boards([root.results])[0]
    row = board.find(name)
    assert row is not None
    path = write_report(board, row, Sources(root), tmp_path / "reports")
    assert path == tmp_path / f"reports/miniature-1/object/star/{name}.standard-full.html" and path.stat().st_size < 1_000_000
