"""Every prompt of a record, read from the store: on the site, and for raters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from evaluation.tiny import tiny_root
from unconceal.cli.main import main
from unconceal.evaluation.recorded_images import recorded_images
from unconceal.paths import DataRoot
from unconceal.ratings.store_source import StoreSource
from unconceal.results.result_tables import load_all_tables
from unconceal.results.strip_file import MAX_SIDE, encode_strip, read_strip
from unconceal.site.image_blocks import strip_columns
from unconceal.specs.loader import load_task


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with a record and the images that it is of."""
    created = tmp_path_factory.mktemp("tiny-full-strips")
    tiny_root(created)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNCONCEAL_STORE", str(created / "store"))
        result = CliRunner().invoke(main, ["run", "esd-x", "--tier", "quick", "--root", str(created), "--threads", "1"])
    assert result.exit_code == 0, result.output
    return created


def site(folder: Path, out: Path, *more: str) -> Result:
    return CliRunner().invoke(main, ["site", "--root", str(folder), "--out", str(out), *more])


def test_the_site_shows_every_prompt_of_what_is_stored(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNCONCEAL_STORE", str(folder / "store"))
    (table,) = load_all_tables([folder / "results"])
    row = table.rows[0]
    n_prompts = next(curve.n for curve in row.record.curves if curve.name == "presence" and curve.split == "forget")
    shown = {}
    for images in ("records", "store"):
        assert site(folder, tmp_path / images, "--images", images).exit_code == 0
        (strip,) = (tmp_path / images / "images").rglob("esd-x*.webp")
        read = read_strip(strip, len(strip_columns(row.record)))
        assert read is not None
        shown[images] = len(read.prompts)
        page = next((tmp_path / images).rglob("esd-x.html")).read_text(encoding="utf-8")
        assert page.count('class="block"') == shown[images]
        assert ("more-prompts" in page) == (shown[images] > 3)
    assert shown["store"] == n_prompts > shown["records"]


def test_missing_images_leave_the_strip_beside_the_record(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNCONCEAL_STORE", str(tmp_path / "empty"))
    assert site(folder, tmp_path / "site", "--images", "store").exit_code == 0
    (strip,) = (tmp_path / "site/images").rglob("esd-x*.webp")
    (table,) = load_all_tables([folder / "results"])
    assert strip.read_bytes() == table.rows[0].strip.read_bytes()


def test_raters_see_the_stored_images(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNCONCEAL_STORE", str(folder / "store"))
    root = DataRoot.find(folder)
    (table,), task = load_all_tables(root.result_folders), load_task(root, "tiny:object/star")
    recorded = recorded_images(root, table.rows[0].record, task)
    assert recorded is not None
    tiles = list(StoreSource(root)(table.rows[0], task))
    branches = recorded.images.branches
    assert len(tiles) == len(recorded.block.prompts) * sum(len(branches[arm]) for arm in ("prompt", "empty") if arm in branches)
    np.testing.assert_array_equal(np.asarray(tiles[0][1]), recorded.images.unlearned.image(0))


def test_a_strip_of_many_prompts_fits_the_format(tmp_path: Path) -> None:
    """60 prompts of 512 pixels would be 92,160 high."""
    from PIL import Image

    n, tile = 60, 128
    image = Image.new("RGB", (2 * tile, 3 * n * tile))
    (tmp_path / "a.strip.webp").write_bytes(encode_strip(image, ("a",) * n, tuple(range(n)), tile, 2**21))
    strip = read_strip(tmp_path / "a.strip.webp", 2)
    assert strip is not None and len(strip.prompts) == n and max(strip.image.size) <= MAX_SIDE
