"""The site in a real browser: sorting, filtering, the slider, blurred images, phones, dark, no scripts, and nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from chromium import chromium, violations
from leaderboard.records import control, data_root, record, strip, write
from sorting import sort_time
from unconceal.leaderboard.sources import Sources
from unconceal.paths import SOURCE_TREE, DataRoot
from unconceal.results.result_tables import load_newest_tables, load_version_tables, suite_versions
from unconceal.site.build import write_site
from unconceal.specs.record import Score, Verdict, Verification
from unconceal.specs.reported import load_reported

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FORGETS = Verdict(label="forgets", reason="as gold", gold="trained-without")
GONE = Verification(status="withdrawn", by="someone", date="2026-11-26", reason="wrong weights")
ATTACKS = {"a paraphrase": Score(value=0.4, low=0.2, high=0.6, n=20)}


def rows(task: str) -> list[Any]:
    """Four methods and two controls on one task."""
    records = [
        record("esd-x", 0.4, attacks=ATTACKS),
        record("esd-u", 0.7),
        record("good", 0.02, verdict=FORGETS),
        record("gone", verification=GONE),
    ]
    return [entry.model_copy(update={"task": task}) for entry in (*records, control("gold-1"), control("original", "intact", at=-0.3))]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tasks, one of them unsafe, with images."""
    folder = tmp_path_factory.mktemp("site")
    root = DataRoot.find(folder) if (folder / "tasks").is_dir() else data_root(folder, *rows("object/star"), *rows("nsfw/sign"))
    write(root, record("older", 0.3, suite_version=0))
    for path in root.results.rglob("*.json"):
        colour = "gold" if "gold" in path.name else "silver" if "original" in path.name else "crimson"
        strip(path.with_suffix(".strip.webp"), colour)
    tables = load_version_tables([root.results], suite_versions([root.results]))
    write_site(tables, Sources(root), folder / "out", reports=load_reported((SOURCE_TREE / "results",)))
    return folder / "out"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that must neither complain nor ask for anything but the site's own files."""
    context = browser.new_context(viewport={"width": 1100, "height": 800})
    opened, messages = context.new_page(), []
    opened.on("console", lambda message: messages.append(message.text))
    opened.on("pageerror", lambda error: messages.append(str(error)))
    opened.on("request", lambda request: None if request.url.startswith("file://") else messages.append(request.url))
    opened.on("requestfailed", lambda request: None if request.failure == "net::ERR_ABORTED" else messages.append(request.url))
    yield opened
    context.close()
    assert messages == []


def names(page: Page, table: str) -> list[str]:
    """The submissions that are shown, in order."""
    output = page.locator(f"[aria-labelledby={table}] tbody tr:visible th a")
    return output.all_text_contents()


STAR, ALL = "miniature-1-object", "miniature-1-all"
RANKED = ["good", "esd-x", "esd-u", "gone", "control-original", "control-gold-1"]
ESD_X, GOOD = "miniature-1/esd-x.html", "miniature-1/good.html"


def test_tables_are_sorted_by_any_column_with_the_keyboard(page: Page, site: Path) -> None:
    page.goto(f"file://{site}/index.html")
    assert names(page, STAR) == RANKED
    head = page.locator(f"[aria-labelledby={STAR}] thead button", has_text="star")
    head.focus()
    page.keyboard.press("Enter")
    assert names(page, STAR) == ["control-gold-1", "good", "esd-x", "esd-u", "control-original", "gone"], "intact counts as 1"
    assert head.locator("xpath=..").get_attribute("aria-sort") == "ascending"
    head.click()
    assert names(page, STAR)[0] == "control-original" and names(page, STAR)[-1] == "gone", "who has no number stays last"
    page.locator(f"[aria-labelledby={STAR}] thead button", has_text="submission").click()
    assert names(page, STAR) == sorted(RANKED)


def test_rows_are_filtered_in_every_table(page: Page, site: Path) -> None:
    page.goto(f"file://{site}/index.html")
    page.get_by_label("Search").fill("ESD")
    assert names(page, STAR) == names(page, ALL) == ["esd-x", "esd-u"]
    assert page.locator("form output").inner_text() == "2 shown"
    page.get_by_label("Search").fill("")
    page.locator("select[name=verdict]").select_option("forgets")
    assert names(page, STAR) == ["good", "control-gold-1"]
    page.locator("input[name=controls]").uncheck()
    assert names(page, STAR) == ["good"]


def test_the_slider_moves_the_pictures_with_the_arrow_keys(page: Page, site: Path) -> None:
    page.goto(f"file://{site}/miniature-1/esd-x.html")
    part = page.locator("#object-star")
    part.locator("summary").first.click()
    slider, tile = part.get_by_role("slider"), part.locator(".tile").last
    before = tile.evaluate("(tile) => getComputedStyle(tile).backgroundPosition")
    slider.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert part.locator(".slider output").inner_text() == "0.15" and slider.get_attribute("aria-valuetext") == "ψ = 0.15"
    after = tile.evaluate("(tile) => getComputedStyle(tile).backgroundPosition")
    assert before.split()[0] == "0%" and after.split()[0] == "20%" and after.split()[1] == before.split()[1]
    assert part.locator(".tile").count() == 3 * 2 * 3, "prompts, arms, and original, gold and the method"
    assert not part.locator(".all-psi .row").first.is_visible()
    part.locator("summary", has_text="Every ψ").click()
    assert part.locator(".all-psi .row").count() == 3 * (2 * 3 + 1) and part.locator(".all-psi .row").first.is_visible()


def blur(page: Page, part: str) -> str:
    return str(page.locator(f"{part} .tile").first.evaluate("(tile) => getComputedStyle(tile).filter"))


def test_unsafe_images_are_blurred_until_the_reader_asks(page: Page, site: Path) -> None:
    page.goto(f"file://{site}/miniature-1/esd-x.html")
    page.locator("#nsfw-sign > summary").click()
    assert blur(page, "#object-star") == "none" and blur(page, "#nsfw-sign") == "blur(14px)"
    page.get_by_label("Show the images").check()
    assert blur(page, "#nsfw-sign") == "none"


def test_a_submissions_page_has_its_curves_damage_and_attacks(page: Page, site: Path) -> None:
    page.goto(f"file://{site}/miniature-1/esd-x.html")
    part = page.locator("#object-star")
    part.locator("summary").first.click()
    assert part.locator("figcaption", has_text="Presence").all_inner_texts() == [
        "Presence, prompt arm",
        "Presence, empty arm",
        "Presence of retained concepts, prompt arm",
        "Presence of retained concepts, empty arm",
    ]
    first = part.locator("svg").first
    assert {first.locator(f".{kind}").count() for kind in ("own-band", "gold-band", "own", "gold", "original", "window")} == {1}
    assert part.locator("svg", has_text="heart").count() == 1 and part.locator("svg", has_text="a paraphrase").count() == 1
    part.locator("summary", has_text="CRS and CCS").click()
    assert part.locator("figcaption", has_text="CRS signed, ResNet18").is_visible()


def test_every_link_of_the_site_leads_somewhere(page: Page, site: Path) -> None:
    for path in ("index.html", "miniature-0/index.html", "submit.html", "miniature-1/esd-x.html", "miniature-1/tasks/object-star.html"):
        page.goto(f"file://{site}/{path}")
        for link in page.locator("a[href]").all():
            target = str(link.evaluate("(link) => link.href"))
            if target.startswith("file://"):
                assert Path(target.removeprefix("file://").partition("#")[0]).is_file(), (path, target)


@pytest.mark.parametrize(
    "options", [{"viewport": {"width": 360, "height": 700}, "is_mobile": True, "has_touch": True}, {"color_scheme": "dark"}]
)
def test_phones_and_the_dark(browser: Browser, site: Path, options: dict[str, Any]) -> None:
    """Nothing but tables scrolls sideways; letters stand out from the page."""
    context = browser.new_context(**options)
    opened = context.new_page()
    for path in ("index.html", "reported.html", "miniature-1/compare.html", "miniature-1/esd-x.html", "miniature-1/tasks/object-star.html"):
        opened.goto(f"file://{site}/{path}")
        assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        ink, paper = (opened.evaluate(f"getComputedStyle(document.body).{name}") for name in ("color", "backgroundColor"))
        assert contrast(ink, paper) > 7
    context.close()


def contrast(first: str, second: str) -> float:
    """The WCAG contrast of two `rgb(…)` colours."""

    def light(colour: str) -> float:
        parts = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
        return sum(
            weight * (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4)
            for weight, part in zip((0.2126, 0.7152, 0.0722), parts, strict=True)
        )

    dark, bright = sorted((light(first), light(second)))
    return (bright + 0.05) / (dark + 0.05)


def test_a_newcomer_sees_the_sentence_images_verdicts_chart_and_table_in_this_order(page: Page, site: Path) -> None:
    page.goto(f"file://{site}/index.html")
    selectors = (".headline", ".first-row .tile", ".verdicts", ".pareto svg", f"[aria-labelledby={ALL}]")
    tops = []
    for selector in selectors:
        part = page.locator(selector).first
        assert part.is_visible(), selector
        tops.append((part.bounding_box() or {"y": -1})["y"])
    assert tops == sorted(tops)
    assert page.locator(".headline").inner_text() == (
        "Of 6 rows of 3 methods, 2 forget the concept: 4 only conceal it. Not counted: 2 disputed or withdrawn rows."
    ).replace("3 methods", "4 methods")
    captions = page.locator(".first-tile > span").all_inner_texts()
    assert (
        captions[:3] == ["θ, the original", "a gold: it never saw the concept", "esd-x alone: the concept seems gone"] and len(captions) > 5
    )


def test_the_chart_names_every_method_without_overlaps(page: Page, site: Path) -> None:
    page.goto(f"file://{site}/index.html")
    texts = page.locator(".pareto svg text.name")
    assert {name.removesuffix(" ◆") for name in texts.all_text_contents()} == {
        "good",
        "esd-x",
        "esd-u",
        "control-original",
        "control-gold-1",
    }
    boxes = [box for text in texts.all() if (box := text.bounding_box())]
    for index, one in enumerate(boxes):
        for other in boxes[index + 1 :]:
            assert one["y"] + one["height"] * 0.75 <= other["y"] or other["y"] + other["height"] * 0.75 <= one["y"]
    assert page.locator(".pareto .point .interval").count() == 2 * len(boxes)


def test_search_filters_and_sort_are_in_the_address(page: Page, site: Path) -> None:
    """A copied address shows the same rows in the same order; a search also finds titles and papers."""
    page.goto(f"file://{site}/index.html?q=esd&controls=no&sort.{STAR}=2d")
    assert names(page, STAR) == ["esd-u", "esd-x"] and page.get_by_label("Search").input_value() == "esd"
    page.get_by_label("Search").fill("2303.07345")
    assert names(page, STAR) == ["esd-u", "esd-x"], "by the address of the paper"
    page.locator("select[name=verdict]").select_option("forgets")
    assert names(page, STAR) == []


def test_columns_are_chosen(page: Page, site: Path) -> None:
    page.goto(f"file://{site}/index.html")
    cell = page.locator(f"[aria-labelledby={ALL}] tbody tr").first.locator("td[data-label^=Borda]")
    assert cell.is_visible()
    page.locator("details", has=page.locator("summary", has_text="Columns")).first.locator("summary").click()
    page.locator(".columns-form label", has_text="Borda").first.click()
    assert not cell.is_visible()


def test_versions_are_switched_and_never_mixed(page: Page, site: Path) -> None:
    page.goto(f"file://{site}/index.html")
    assert "older" not in page.locator("main").inner_text()
    page.locator(".versions summary").click()
    page.get_by_role("link", name="miniature-0").click()
    page.wait_for_url("**/miniature-0/index.html")
    assert names(page, "miniature-0-object") == ["older"] and "esd-x" not in page.locator("main").inner_text()


def test_marks_say_who_when_and_why(page: Page, site: Path) -> None:
    page.goto(f"file://{site}/index.html")
    assert "gone on object/star: withdrawn by someone on 2026-11-26. wrong weights" in page.locator(".suite li").all_inner_texts()


def test_tables_fit_at_1280_and_are_cards_at_390(browser: Browser, site: Path) -> None:
    for width, shown in ((1280, True), (390, False)):
        context = browser.new_context(viewport={"width": width, "height": 900})
        opened = context.new_page()
        opened.goto(f"file://{site}/index.html")
        for table in opened.locator("table.results").all():
            assert table.evaluate("(table) => table.scrollWidth <= table.parentNode.clientWidth")
            assert table.locator("thead").is_visible() == shown
        context.close()


def test_submissions_are_compared_on_the_same_prompts(page: Page, site: Path) -> None:
    page.goto(f"file://{site}/miniature-1/compare.html?task=object/star&m1=good&m2=control-original&m3=esd-x")
    assert page.locator("figure").count() == 3 and page.locator("figure").first.locator(".model").all_inner_texts() == [
        "good",
        "control-original",
        "esd-x",
    ]
    tile = page.locator("figure").nth(1).locator(".tile").first
    page.get_by_role("slider").press("ArrowRight")
    position = tile.evaluate("(tile) => getComputedStyle(tile).backgroundPosition")
    assert position.split()[0] == f"{100 / 15:.4f}%".rstrip("0") or float(position.split()[0][:-1]) == pytest.approx(100 / 15, abs=0.01)
    page.locator("select[name=task]").select_option("nsfw/sign")
    assert "blurred" in (page.locator("figure").first.locator(".tile").first.get_attribute("class") or "")


def test_a_task_is_folded_until_it_is_asked_for(page: Page, site: Path) -> None:
    page.goto(f"file://{site}/{ESD_X}")
    assert page.locator(".summary tbody tr").count() == 2 and not page.locator("#object-star .charts").first.is_visible()
    page.locator(".summary a", has_text="star").click()
    assert page.locator("#object-star .charts").first.is_visible()


def test_values_reported_by_others_have_a_page(page: Page, site: Path) -> None:
    page.goto(f"file://{site}/index.html")
    page.get_by_role("link", name="Reported by others").click()
    assert page.locator("tbody tr").count() == 26 and "not ranked" in page.locator(".lead").inner_text()


def test_the_text_of_a_hundred_submissions_is_small(tmp_path: Path) -> None:
    """The first page with its assets, before images."""
    many = [record(f"method-{index:03d}", index / 100, curves=(), damage={}) for index in range(100)]
    root = data_root(tmp_path, *many)
    first = write_site(load_newest_tables([root.results]), Sources(root), tmp_path / "out")
    size = first.stat().st_size + sum(path.stat().st_size for path in (tmp_path / "out/assets").iterdir())
    assert size <= 300_000


def test_no_page_breaks_a_rule_of_accessibility_or_scrolls_sideways(browser: Browser, site: Path) -> None:
    page, pages = browser.new_page(), sorted(site.rglob("*.html"))
    assert len(pages) > 8
    broken: dict[str, list[str]] = {}
    for path in pages:
        page.goto(path.as_uri())
        if found := violations(page):
            broken[str(path.relative_to(site))] = found
    assert broken == {}


def test_with_scripts_off_tables_and_strips_remain(browser: Browser, site: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    opened = context.new_page()
    opened.goto(f"file://{site}/index.html")
    assert names(opened, STAR) == RANKED and not opened.locator("form.filters").is_visible()
    assert opened.locator("thead button").count() == 0
    opened.goto(f"file://{site}/miniature-1/esd-x.html")
    for anchor in ("#object-star", "#nsfw-sign"):
        opened.locator(f"{anchor} > summary").click()
    assert opened.locator("#object-star .row").first.is_visible() and not opened.locator("#object-star .slider").is_visible()
    assert opened.locator("#nsfw-sign .reveal").is_visible() and not opened.locator("#nsfw-sign .reveal").is_checked()
    context.close()


def test_a_thousand_rows_sort_within_a_fifth_of_a_second(page: Page, tmp_path: Path) -> None:
    """Of the page's own work, which a busy machine delays but does not lengthen."""
    many = [record(f"method-{index:04d}", (index * 7919 % 1000) / 1000, curves=(), damage={}) for index in range(1000)]
    root = data_root(tmp_path, *many)
    write_site(load_newest_tables([root.results]), Sources(root), tmp_path / "out")
    page.goto(f"file://{tmp_path}/out/index.html")
    assert min(sort_time(page, 2) for _ in range(3)) <= 200
