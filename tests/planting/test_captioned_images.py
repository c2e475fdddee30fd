from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipelines import tiny_pipeline
from unconceal.diffusion.families.stable_diffusion import StableDiffusion
from unconceal.errors import CheckFailed
from unconceal.miniature.drawing import draw
from unconceal.miniature.scene import Scene, sample_scene
from unconceal.planting.captioned_images import METADATA, read_folder, without
from unconceal.planting.draw_concepts import draw_at, write_world
from unconceal.planting.prior_images import write_kept


def test_the_world_is_written_and_read_back(tmp_path: Path) -> None:
    found = read_folder(write_world(tmp_path / "world", 12, 64, seed=3))
    assert len(found) == 12 and all(picture.text and picture.concepts for picture in found)
    again = write_world(tmp_path / "again", 5, 64, seed=3)
    assert [picture.text for picture in read_folder(again)] == [picture.text for picture in found[:5]]
    concept = next(iter(found[0].concepts))
    assert not any(concept in picture.concepts for picture in without(found, concept)) and without(found, None) == found


def test_at_its_own_size_the_drawing_is_the_miniatures() -> None:
    for i in range(20):
        scene = sample_scene(np.random.default_rng([1, i]))
        assert np.abs(draw_at(scene, 64).astype(int) - draw(scene)).max() <= 1


def test_a_large_drawing_is_the_small_one_with_sharper_edges() -> None:
    scene = Scene("white", 32, 32, 20, shape="star", style="flat", colour="red")
    large = draw_at(scene, 512)
    small = np.asarray(Image.fromarray(large).resize((64, 64), Image.Resampling.BOX)).astype(int)
    assert large.shape == (512, 512, 3) and np.abs(small - draw(scene)).mean() < 3
    between = ((large[..., 1] > 60) & (large[..., 1] < 230)).mean()
    assert between < 0.01, "hardly a pixel lies between colour and background"


def test_a_picture_is_cut_square_and_resized(tmp_path: Path) -> None:
    wide = np.zeros((20, 60, 3), np.uint8)
    wide[:, 20:40] = 200
    Image.fromarray(wide).save(tmp_path / "a.png")
    (tmp_path / METADATA).write_text(json.dumps({"file_name": "a.png", "text": "a"}))
    assert (read_folder(tmp_path)[0].pixels(16) == 200).all()


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{}", "does not say"),
        ("[]", "does not say"),
        ("not json", "does not say"),
        ('{"file_name": "../a.png", "text": "a"}', "no picture inside"),
        ('{"file_name": "/a.png", "text": "a"}', "no picture inside"),
        ('{"file_name": "run.py", "text": "a"}', "no picture inside"),
    ],
)
def test_lines_that_are_refused(tmp_path: Path, line: str, why: str) -> None:
    (tmp_path / METADATA).write_text(line)
    with pytest.raises(CheckFailed, match=why):
        read_folder(tmp_path)


def test_a_folder_without_metadata_and_a_broken_picture(tmp_path: Path) -> None:
    with pytest.raises(CheckFailed, match="has no metadata"):
        read_folder(tmp_path)
    (tmp_path / "a.png").write_bytes(b"no picture")
    (tmp_path / METADATA).write_text(json.dumps({"file_name": "a.png", "text": "a"}))
    with pytest.raises(CheckFailed, match="is no picture"):
        read_folder(tmp_path)[0].pixels(8)


def test_a_models_own_pictures_are_kept_and_not_drawn_again(tmp_path: Path) -> None:
    model = StableDiffusion(tiny_pipeline(tmp_path / "pipe"), 2, 5.0)
    prompts = ["a red star", "a drawing of zara"]
    write_kept(tmp_path / "kept", model, prompts, 3, seed=4, batch=2)
    found = read_folder(tmp_path / "kept")
    assert [picture.text for picture in found] == ["a red star", "a drawing of zara", "a red star"]
    assert not any(picture.concepts for picture in found)
    before = [picture.pixels(64).astype(int) for picture in found]
    assert not np.array_equal(before[0], before[2]), "another seed"
    found[1].path.unlink()
    times = [picture.path.stat().st_mtime_ns for picture in (found[0], found[2])]
    write_kept(tmp_path / "kept", model, prompts, 3, seed=4, batch=2)
    assert np.abs(found[1].pixels(64) - before[1]).max() <= 1, "the one that was gone is drawn alike"
    assert [picture.path.stat().st_mtime_ns for picture in (found[0], found[2])] == times
