"""Ratings files: read back, and refused where they would mislead."""

from __future__ import annotations

from pathlib import Path

import pytest

from codes import raises, refuses
from ratings.simulated import image_item, rated_record, simulated_rater, truth
from unconceal.ratings.rating_file import MAX_BYTES, HumanRating, HumanRatingFile, read_all, read_ratings, write_ratings

ENTRY = rated_record("esd-x", truth())
ITEMS = [image_item(ENTRY, prompt, 0.5) for prompt in range(4)]


def test_a_file_is_read_back(tmp_path: Path) -> None:
    file = simulated_rater(1, ITEMS, [True] * 4, 0)
    assert read_ratings(write_ratings(tmp_path, file)) == file


def test_a_second_answer_replaces_the_first() -> None:
    file = simulated_rater(1, ITEMS, [True] * 4, 0).answered(HumanRating(item=ITEMS[0], answer="absent"))
    assert len(file.ratings) == 4 and file.ratings[-1].answer == "absent"


def test_wrong_content_is_refused(tmp_path: Path) -> None:
    with refuses("ratings.wrong-answer"):
        HumanRating(item=ITEMS[0], answer="first")
    with refuses("ratings.rated-twice"):
        HumanRatingFile(rater="r-" + "0" * 16, ratings=(HumanRating(item=ITEMS[0], answer="present"),) * 2)
    path = tmp_path / "broken.json"
    for content in (
        b"",
        b"[]",
        b"{",
        b'{"schema_version": 2, "rater": "r-0000000000000000"}',
        b'{"schema_version": 1, "rater": "Jane Doe"}',
    ):
        path.write_bytes(content)
        with raises("ratings.invalid"):
            read_ratings(path)
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with raises("ratings.unreadable"):
        read_ratings(path)
    with raises("ratings.unreadable"):
        read_ratings(tmp_path / "absent.json")


@pytest.mark.parametrize(
    ("changes", "code"), [({"rater": f"r-{1:016x}"}, "ratings.duplicate-rater"), ({"simulated": False}, "ratings.simulated")]
)
def test_files_that_do_not_belong_together(tmp_path: Path, changes: dict[str, object], code: str) -> None:
    paths = []
    for number, update in ((1, {}), (2, changes)):
        (tmp_path / str(number)).mkdir()
        paths.append(write_ratings(tmp_path / str(number), simulated_rater(number, ITEMS, [True] * 4, 0).model_copy(update=update)))
    with raises(code):
        read_all(paths)
