"""The blind page: what it shows, what it writes, that it resumes, and what it refuses."""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from leaderboard.records import PROMPTS, PSI, data_root, strip
from ratings.simulated import rated_record, truth
from unconceal.leaderboard.sources import Sources
from unconceal.ratings.item_images import ShownItem, draw_items
from unconceal.ratings.rating_app import RatingSession, rating_application
from unconceal.ratings.rating_file import read_ratings
from unconceal.results.result_tables import load_newest_tables

N_ITEMS = 12
BASE = "http://localhost"


@pytest.fixture(scope="module")
def items(tmp_path_factory: pytest.TempPathFactory) -> list[ShownItem]:
    """Items of a method and a gold."""
    values = truth(len(PROMPTS))
    root = data_root(tmp_path_factory.mktemp("root"), rated_record("esd-x", values), rated_record("control-gold-1", 0 * values))
    for path, colour in zip(sorted(root.results.rglob("*.json")), ("gold", "crimson"), strict=True):
        strip(path.with_suffix(".strip.webp"), colour)
    return draw_items(load_newest_tables([root.results]), Sources(root), N_ITEMS, 0.5, 1)


def client(items: list[ShownItem], folder: Path) -> TestClient:
    return TestClient(rating_application(items, folder), base_url=BASE, follow_redirects=True)


def field(page: str, name: str) -> str:
    result = re.search(rf'name="{name}" value="([^"]+)"', page)
    assert result is not None
    return result[1]


def answer(browser: TestClient, page: str, choice: str) -> str:
    return browser.post("/ratings", data={"csrf": field(page, "csrf"), "item": field(page, "item"), "answer": choice}).text


def started(browser: TestClient) -> str:
    return browser.post("/start", data={"csrf": field(browser.get("/").text, "csrf")}).text


def test_items_are_spread_over_models_arms_and_psi(items: list[ShownItem]) -> None:
    assert len(items) == N_ITEMS and sum(shown.item.is_pair for shown in items) == N_ITEMS // 2
    cells = {(image.submission, image.arm, image.psi) for shown in items if not shown.item.is_pair for image in shown.item.images}
    assert len(cells) == N_ITEMS // 2
    for shown in items:
        if shown.item.is_pair:
            first, second = shown.item.images
            assert (first.prompt, first.arm, first.psi) == (second.prompt, second.arm, second.psi)
            assert second.submission == "control-gold-1" and first.submission == "esd-x"


def test_a_rater_answers_resumes_and_finishes(items: list[ShownItem], tmp_path: Path) -> None:
    browser = client(items, tmp_path)
    page, choices = started(browser), []
    for number in range(N_ITEMS):
        if number == N_ITEMS // 2:  # another process, the same cookie
            cookies = dict(browser.cookies)
            browser = client(items, tmp_path)
            browser.cookies.update(cookies)
            page = browser.get("/").text
        choices.append("left" if 'value="left"' in page else "absent")
        assert f"Answered: {number} of {N_ITEMS}" in page
        assert not any(word in page for word in ("esd", "gold", "ψ", *map(str, PSI[1:-1]), *PROMPTS)), "the page is blind"
        for source in re.findall(r'src="(/images/[^"]+)"', page):
            assert browser.get(source).headers["content-type"] == "image/png"
        page = answer(browser, page, choices[-1])
    (path,) = tmp_path.glob("*.ratings.json")
    file = read_ratings(path)
    assert len(file.ratings) == N_ITEMS and not file.simulated and file.rater in page
    assert {rating.answer for rating in file.ratings if rating.item.is_pair} <= {"first", "second"}
    assert "Thank you" in page and browser.get("/rate").text == page


def test_sides_are_written_as_images(items: list[ShownItem], tmp_path: Path) -> None:
    """The gold's tiles are of one colour, the method's of another: what stands on the left is what the file says."""
    browser = client(items, tmp_path)
    page = started(browser)
    while 'value="left"' in page or "present" in page:
        if 'value="left"' not in page:
            page = answer(browser, page, "unsure")
            continue
        shown = next(shown for shown in items if shown.item.id == field(page, "item"))
        left = browser.get(f"/images/{shown.item.id}/left.png").content
        page = answer(browser, page, "left")
        rating = next(r for r in read_ratings(next(tmp_path.glob("*.json"))).ratings if r.item.id == shown.item.id)
        chosen = 0 if rating.answer == "first" else 1
        assert Image.open(BytesIO(left)).tobytes() == shown.images[chosen].tobytes()


def test_sides_are_swapped_for_about_half_of_the_raters(items: list[ShownItem], tmp_path: Path) -> None:
    session, pair = RatingSession(items, tmp_path), next(shown.item.id for shown in items if shown.item.is_pair)
    assert 80 < sum(session.is_swapped(f"r-{number:016x}", pair) for number in range(200)) < 120


def test_raters_are_not_mixed(items: list[ShownItem], tmp_path: Path) -> None:
    for _ in range(2):
        browser = client(items, tmp_path)
        answer(browser, started(browser), "unsure")
    files = [read_ratings(path) for path in tmp_path.glob("*.ratings.json")]
    assert len({file.rater for file in files}) == 2 and all(len(file.ratings) == 1 for file in files)


def test_refusals(items: list[ShownItem], tmp_path: Path) -> None:
    browser = client(items, tmp_path)
    page = started(browser)
    fields = {"csrf": field(page, "csrf"), "item": field(page, "item"), "answer": "unsure"}
    for change, status, code in (
        ({"csrf": ""}, 403, "request.not-confirmed"),
        ({"csrf": "ä"}, 403, "request.not-confirmed"),
        ({"item": "../../etc/passwd"}, 404, "request.not-found"),
        ({"answer": "first"}, 400, "ratings.unknown-answer"),
        ({"answer": "x" * 20_000}, 413, "request.too-large"),
    ):
        reply = browser.post("/ratings", data=fields | change)
        assert (reply.status_code, reply.json()["code"]) == (status, code) and "\n" not in reply.json()["error"]
    stranger = client(items, tmp_path)
    assert stranger.post("/ratings", data=fields).status_code == 403
    assert stranger.get(f"/images/{fields['item']}/left.png").status_code == 404
    stranger.cookies.set("rater", "../../secret")
    assert stranger.get("/rate", follow_redirects=False).status_code == 303
    assert stranger.post("/start", data={"csrf": fields["csrf"]}).status_code == 403
    assert stranger.get("/", headers={"host": "evil.example"}).status_code == 400
    assert all(not rating.ratings for rating in map(read_ratings, tmp_path.glob("*.ratings.json")))


def test_unsafe_images_are_blurred_until_the_rater_asks(items: list[ShownItem], tmp_path: Path) -> None:
    browser = client([shown._replace(unsafe=True) for shown in items], tmp_path)
    page = started(browser)
    assert 'class="reveal"' in page and "checked" not in page
    assert 'class="reveal"' not in started(client(items, tmp_path / "other"))
