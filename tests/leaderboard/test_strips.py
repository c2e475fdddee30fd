from __future__ import annotations

import io
from base64 import b64decode
from pathlib import Path

import pytest
from PIL import Image

from leaderboard.records import PROMPTS, PSI, strip
from unconceal.errors import CheckFailed
from unconceal.leaderboard.strips import read_strip


def opened(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(b64decode(uri.partition(",")[2])))


def test_a_row_is_the_right_cut(tmp_path: Path) -> None:
    path = tmp_path / "a.strip.png"
    strip(path)
    with Image.open(path) as picture:
        said, changed = picture.info["unconceal"], picture.copy()
    changed.paste("blue", (0, 4 * 8, len(PSI) * 8, 5 * 8))
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("unconceal", said)
    changed.save(path, pnginfo=info)
    found = read_strip(path, len(PSI))
    assert found is not None
    row = opened(found.row(1, "empty"))
    assert row.size == (len(PSI) * 8, 8) and row.getpixel((0, 0)) == (0, 0, 255)
    assert opened(found.row(1, "prompt")).getpixel((0, 7)) == (255, 215, 0)


def test_prompts_are_found_with_their_seed(tmp_path: Path) -> None:
    strip(tmp_path / "a.strip.png")
    found = read_strip(tmp_path / "a.strip.png", len(PSI))
    assert found is not None and found.find(PROMPTS[1], 1) == 1 and found.find(PROMPTS[1], 0) is None


def test_large_tiles_are_shrunk(tmp_path: Path) -> None:
    strip(tmp_path / "a.strip.png", tile=256, prompts=PROMPTS[:1])
    found = read_strip(tmp_path / "a.strip.png", len(PSI))
    assert found is not None and found.row(0, "prompt").startswith("data:image/jpeg")
    assert opened(found.row(0, "prompt")).size == (len(PSI) * 128, 128)


def test_missing_is_none(tmp_path: Path) -> None:
    assert read_strip(tmp_path / "a.strip.png", 16) is None


def test_what_is_no_strip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.strip.png"
    path.write_bytes(b"\x89PNG no picture")
    with pytest.raises(CheckFailed, match="is no ψ strip"):
        read_strip(path, 16)
    Image.new("RGB", (8, 8)).save(path)
    with pytest.raises(CheckFailed, match="is no ψ strip"):
        read_strip(path, 16)
    strip(path)
    with pytest.raises(CheckFailed, match="does not fit"):
        read_strip(path, 5)
