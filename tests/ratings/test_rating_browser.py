"""The blind page in a real browser: buttons, the blur of unsafe images, and accessibility."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from PIL import Image

from chromium import chromium, free_port, violations, wait_until_listening
from ratings.simulated import image_item, rated_record, truth
from unconceal.ratings.item_images import ShownItem
from unconceal.ratings.rating_app import rating_application
from unconceal.ratings.rating_file import RatingItem, read_ratings


@contextmanager
def served(items: list[ShownItem], folder: Path) -> Iterator[str]:
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(rating_application(items, folder), port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until_listening(port)
    yield f"http://127.0.0.1:{port}/"
    server.should_exit = True
    thread.join(20)


def test_rating_in_a_browser(tmp_path: Path) -> None:
    record, image = rated_record("esd-x", truth()), Image.new("RGB", (64, 64), "crimson")
    single, other = image_item(record, 0, 0.5), image_item(record, 1, 0.5)
    pair = RatingItem(images=(single.images[0], other.images[0]))
    items = [ShownItem(single, (image,), "star", True), ShownItem(pair, (image, Image.new("RGB", (64, 64), "gold")), "star", True)]
    with served(items, tmp_path) as address, chromium() as browser:
        page = browser.new_page()
        page.goto(address)
        assert violations(page) == []
        page.get_by_role("button", name="Start").click()
        for number in range(2):
            shown = page.get_by_role("img").first
            assert shown.evaluate("(image) => image.complete && image.naturalWidth") == 64
            assert shown.evaluate("(image) => getComputedStyle(image).filter") == "blur(24px)"
            assert violations(page) == []
            page.get_by_label("Show the images").check()
            assert shown.evaluate("(image) => getComputedStyle(image).filter") == "none"
            page.get_by_role("button", name="unsure").focus()
            page.keyboard.press("Enter")
            page.get_by_text(f"Answered: {number + 1} of 2" if number == 0 else "Thank you").wait_for()
        assert violations(page) == []
    (path,) = tmp_path.glob("*.ratings.json")
    assert [rating.answer for rating in read_ratings(path).ratings] == ["unsure", "unsure"]
