from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from chromium import chromium, violations
from leaderboard.records import PROMPTS, control, curve, data_root, record, score, strip, submission
from unconceal.leaderboard.sources import Sources
from unconceal.paths import DataRoot
from unconceal.results.result_tables import load_all_tables
from unconceal.site.report import report_page, write_reports
from unconceal.site.result_page import RankedSuite
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
    tables = [table for table in load_all_tables([root.results]) if table.find(name)]
    return report_page(RankedSuite.from_tables(tables, Sources(root)), tables, name)


def with_strips(root: DataRoot, prompts: tuple[str, ...] = PROMPTS) -> DataRoot:
    for path in root.results.rglob("*.json"):
        strip(path.with_suffix(".strip.webp"), prompts=prompts)
    return root


def tile_rows(text: str) -> int:
    return text.count('<div class="row" role="img"')


def test_a_page_is_complete_and_self_contained(tmp_path: Path) -> None:
    text = rendered(with_strips(root_with(tmp_path, record())))
    elements = Elements(text)
    assert not elements.open
    tags = [tag for tag, _ in elements.found]
    assert not {"script", "link", "iframe", "img"} & set(tags)
    assert tags.count("svg") == 4 + 1 + 6, "presence in both arms and splits, damage, and CCS and CRS by three extractors"
    assert all(str(attributes["href"]).startswith(("#", "https://")) for tag, attributes in elements.found if tag == "a")


def test_a_page_breaks_no_rule_of_accessibility(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(rendered(with_strips(root_with(tmp_path, record()))), encoding="utf-8")
    with chromium() as browser:
        page = browser.new_page()
        page.goto(path.as_uri())
        assert violations(page) == []


def test_nothing_is_fetched(tmp_path: Path) -> None:
    text = rendered(with_strips(root_with(tmp_path, record())))
    urls = re.findall(r"url\(&#39;|url\('([^']*)", text)
    assert "@import" not in text and len(urls) == 3 and all(url.startswith("data:image/webp;base64,") for url in urls)


def test_three_models_for_each_prompt_and_arm(tmp_path: Path) -> None:
    text = rendered(with_strips(root_with(tmp_path, record())))
    assert tile_rows(text) == 3 * (2 * 3 + 1)
    for role, count in (("original", 2 * 3 + 3), ("gold", 2 * 3), ("own", 2 * 3)):
        assert len(re.findall(rf'class="row"[^>]*--strip-{role}\)', text)) == count
    assert 'class="reveal"' not in text


def test_missing_images_say_how_to_make_them(tmp_path: Path) -> None:
    text = rendered(root_with(tmp_path, record()))
    assert not tile_rows(text) and re.search(r"unconceal run \S*esd-x --task object/star --tier full", text)


def test_a_broken_strip_is_reported_on_the_page(tmp_path: Path) -> None:
    root = root_with(tmp_path, record())
    path = root.results / "miniature-1/object/star/esd-x.standard-full.strip.webp"
    path.write_bytes(b"no image")
    text = rendered(root)
    assert not tile_rows(text) and path.name in text


def test_controls_without_the_same_prompt_are_left_out(tmp_path: Path) -> None:
    root = with_strips(root_with(tmp_path, record()))
    strip(root.results / "miniature-1/object/star/control-original.standard-full.strip.webp", prompts=("another", "prompt", "here"))
    text = rendered(root)
    assert tile_rows(text) == 3 * (2 * 2 + 1) and not re.findall(r'class="row"[^>]*--strip-original\)', text)


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    bad = record(verdict=Verdict(label="conceals", reason=HOSTILE, gold="trained-without"), damage={HOSTILE: score(0.1)})
    root = with_strips(root_with(tmp_path, bad), prompts=(HOSTILE, "b", "c"))
    spec = submission("esd-x", HOSTILE, description=HOSTILE, paper="javascript:alert(1)")
    (root.submissions / "miniature/esd-x.yaml").write_text(spec.model_dump_json(exclude_none=True))
    text = rendered(root)
    assert "<script" not in text and "<img" not in text and "javascript:" not in text
    assert text.count("&lt;script&gt;") >= 5
    assert not [attributes for _, attributes in Elements(text).found if any(name.startswith("on") for name in attributes)]


def test_unsafe_images_are_blurred_until_the_reader_asks(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"task": "nsfw/sign"}
    text = rendered(with_strips(data_root(tmp_path, record(**changes), control("gold-1", **changes))))
    assert 'class="reveal" type="checkbox"' in text and "data-unsafe" in text


def test_a_gold_is_compared_with_the_other_golds(tmp_path: Path) -> None:
    assert "other golds, mean and range of 2" in rendered(root_with(tmp_path), "control-gold-1")


def test_missing_golds_and_scores(tmp_path: Path) -> None:
    bare = record(scores={}, curves=(), damage={}, verdict=Verdict(label="undetermined", reason="no gold"))
    text = rendered(data_root(tmp_path, bare))
    assert not Elements(text).open
    assert "No gold supports this verdict" in text and "This record has no scores" in text and "<svg" not in text


def test_missing_values_are_gaps_in_the_line(tmp_path: Path) -> None:
    whole = curve("presence", 0.2)
    holes: tuple[float | None, ...] = (None, *whole.value[1:5], None, *whole.value[6:])
    gappy = Curve(**(whole.model_dump() | {"value": holes, "low": holes, "high": holes}))
    text = rendered(data_root(tmp_path, record(curves=(gappy,), damage={}), control("gold-1", curves=(gappy,))))
    assert len(re.findall('<polyline class="own"', text)) == 2 and len(re.findall('<polyline class="gold"', text)) == 2


def test_all_values_missing(tmp_path: Path) -> None:
    none: tuple[None, ...] = (None,) * 16
    empty = Curve(**(curve("ccs", 0.2, extractor="resnet18").model_dump() | {"value": none, "low": none, "high": none}))
    assert "<svg" in rendered(data_root(tmp_path, record(curves=(empty,))))


def test_scores_are_beside_golds_and_original(tmp_path: Path) -> None:
    text = rendered(root_with(tmp_path, record()))
    row = re.search(r"Excess retrieval ↓</th>(.*?)</tr>", text)
    assert row and re.findall(r">([^<>]+)</td>", row[1]) == [".40 [.35, .45]", ".00", ".00", "20"]
    assert "never reached" in text


def test_inseparable_extractors_are_named(tmp_path: Path) -> None:
    scores = record().scores | {"auc.forget.resnet18": score(0.8, 0.1)}
    text = rendered(root_with(tmp_path, record(scores=scores)))
    assert "Not separable: ResNet18;" in text and ">ResNet18 †</th>" in text and "DenseNet121 †" not in text


def test_scores_by_extractor_are_in_one_row(tmp_path: Path) -> None:
    row = re.search(r"CCS ↓</th>(.*?)</tr>", rendered(root_with(tmp_path, record())))
    assert row and re.findall(r">([^<>]+)</td>", row[1]) == [".55 [.50, .60]"] * 4 + [".55", ".55", "20"]


def test_what_it_was_measured_with_is_on_the_page(tmp_path: Path) -> None:
    measured = record()
    text = rendered(root_with(tmp_path, measured))
    assert measured.digest in text and "123,456 forward passes" in text and "torch 2.9" in text and ".0123" in text


def test_the_same_record_gives_the_same_bytes(tmp_path: Path) -> None:
    root = root_with(tmp_path, record())
    assert rendered(root) == rendered(root)


@pytest.mark.parametrize("name", ["esd-x", "control-original"])
def test_the_path_of_a_single_task(tmp_path: Path, name: str) -> None:
    root = root_with(tmp_path, record())
    (table,) = load_all_tables([root.results])
    row = table.find(name)
    assert row is not None
    (path,) = write_reports([(table, row)], Sources(root), tmp_path / "reports")
    assert path == tmp_path / f"reports/miniature-1/object/star/{name}.standard-full.html" and path.stat().st_size < 1_000_000


def test_all_tasks_of_a_submission_are_one_page(tmp_path: Path) -> None:
    root = data_root(tmp_path, record(), record(task="object/moon"), record("esd-u"), record(protocol="paper"))
    selection = [(table, row) for table in load_all_tables([root.results]) for row in table.rows]
    paths = list(write_reports(selection, Sources(root), tmp_path / "reports"))
    assert {path.relative_to(tmp_path / "reports/miniature-1").as_posix() for path in paths} == {
        "esd-x.standard.html",
        "object/star/esd-u.standard-full.html",
        "object/star/esd-x.paper-full.html",
    }
    text = (tmp_path / "reports/miniature-1/esd-x.standard.html").read_text()
    assert 'id="object-star"' in text and 'id="object-moon"' in text and not Elements(text).open
