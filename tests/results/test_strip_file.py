from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from codes import raises
from leaderboard.records import PROMPTS, PSI, strip
from unconceal.results.strip_file import MAX_STRIP_BYTES, ROWS, encode_strip, read_strip, strip_path


def noise(tile: int, n_prompts: int = 3) -> Image.Image:
    """A strip of noise, which compresses badly."""
    pixels = np.random.default_rng(0).integers(0, 256, (len(ROWS) * n_prompts * tile, 9 * tile, 3), np.uint8)
    return Image.fromarray(pixels)


def test_a_strip_keeps_its_prompts_seeds_and_pixels(tmp_path: Path) -> None:
    path = strip_path(tmp_path / "a.standard-full.json")
    prompts = ("a “red” star", "a blau★ square")
    image = Image.new("RGB", (2 * 8, 6 * 8), "gold")
    image.paste("blue", (0, 4 * 8, 2 * 8, 5 * 8))
    path.write_bytes(encode_strip(image, prompts, (3, 123456789012), 8))
    loaded = read_strip(path, 2)
    assert path.name == "a.standard-full.strip.webp" and loaded is not None
    assert (loaded.prompts, loaded.seeds, loaded.tile, loaded.n_rows) == (prompts, (3, 123456789012), 8, 6)
    assert loaded.row_index(prompts[1], 123456789012, "empty") == 4 and loaded.row_index(prompts[1], 3, "empty") is None
    blue = np.asarray(loaded.image)[4 * 8 + 4, 4]
    assert blue[2] > 200 and blue[0] < 60


@pytest.mark.parametrize("tile", [64, 256])
def test_a_strip_is_small_whatever_it_shows(tmp_path: Path, tile: int) -> None:
    """Noise gets smaller tiles; the columns stay the same."""
    content = encode_strip(noise(tile), PROMPTS, (0, 1, 2), tile)
    path = tmp_path / "a.strip.webp"
    path.write_bytes(content)
    loaded = read_strip(path, 9)
    assert len(content) <= MAX_STRIP_BYTES and loaded is not None and loaded.tile < tile


def test_small_strips_keep_their_size(tmp_path: Path) -> None:
    strip(tmp_path / "a.strip.webp")
    loaded = read_strip(tmp_path / "a.strip.webp", len(PSI))
    assert loaded is not None and loaded.tile == 8


def test_committed_strips_are_small_and_readable() -> None:
    from unconceal.paths import SOURCE_TREE

    paths = sorted((SOURCE_TREE / "results").rglob("*.strip.*"))
    assert paths and all(path.stat().st_size <= MAX_STRIP_BYTES and path.suffix == ".webp" for path in paths)


def test_a_missing_strip_is_none(tmp_path: Path) -> None:
    assert read_strip(tmp_path / "a.strip.webp", 16) is None


def test_what_is_not_a_strip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.strip.webp"
    path.write_bytes(b"RIFF no image")
    with raises("image.unreadable"):
        read_strip(path, 16)
    Image.new("RGB", (8, 8)).save(path)
    with raises("strip.unreadable"):
        read_strip(path, 16)
    strip(path)
    with raises("strip.mismatch"):
        read_strip(path, 5)
