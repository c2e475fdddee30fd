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
from unconceal.planting.captioned_images import METADATA, excluding, read_folder
from unconceal.planting.draw_concepts import draw_at, write_images
from unconceal.planting.prior_images import write_prior_images


def test_the_world_is_written_and_read_back(tmp_path: Path) -> None:
    images = read_folder(write_images(tmp_path / "world", 12, 64, seed=3))
    assert len(images) == 12 and all(image.text and image.concepts for image in images)
    again = write_images(tmp_path / "again", 5, 64, seed=3)
    assert [image.text for image in read_folder(again)] == [image.text for image in images[:5]]
    concept = next(iter(images[0].concepts))
    assert not any(concept in image.concepts for image in excluding(images, concept)) and excluding(images, None) == images


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
    ("line", "code"),
    [
        ("{}", "images.bad-metadata"),
        ("[]", "images.bad-metadata"),
        ("not json", "images.bad-metadata"),
        ('{"file_name": "../a.png", "text": "a"}', "images.bad-metadata"),
        ('{"file_name": "/a.png", "text": "a"}', "images.bad-metadata"),
        ('{"file_name": "run.py", "text": "a"}', "images.bad-metadata"),
    ],
)
def test_lines_that_are_refused(tmp_path: Path, line: str, code: str) -> None:
    (tmp_path / METADATA).write_text(line)
    with pytest.raises(CheckFailed) as failure:
        read_folder(tmp_path)
    assert failure.value.code == code


def test_a_folder_without_metadata_and_a_broken_picture(tmp_path: Path) -> None:
    with pytest.raises(CheckFailed) as failure:
        read_folder(tmp_path)
    assert failure.value.code == "images.no-metadata"
    (tmp_path / "a.png").write_bytes(b"no image")
    (tmp_path / METADATA).write_text(json.dumps({"file_name": "a.png", "text": "a"}))
    with pytest.raises(CheckFailed) as failure:
        read_folder(tmp_path)[0].pixels(8)
    assert failure.value.code == "images.unreadable"


def test_prior_images_that_exist_are_not_generated_again(tmp_path: Path) -> None:
    model = StableDiffusion(tiny_pipeline(tmp_path / "pipe"), 2, 5.0)
    prompts = ["a red star", "a drawing of zara"]
    write_prior_images(tmp_path / "kept", model, prompts, 3, seed=4, batch_size=2)
    images = read_folder(tmp_path / "kept")
    assert [image.text for image in images] == ["a red star", "a drawing of zara", "a red star"]
    assert not any(image.concepts for image in images)
    before = [image.pixels(64).astype(int) for image in images]
    assert not np.array_equal(before[0], before[2]), "another seed"
    images[1].path.unlink()
    times = [image.path.stat().st_mtime_ns for image in (images[0], images[2])]
    write_prior_images(tmp_path / "kept", model, prompts, 3, seed=4, batch_size=2)
    assert np.abs(images[1].pixels(64) - before[1]).max() <= 1, "a deleted image is generated alike"
    assert [image.path.stat().st_mtime_ns for image in (images[0], images[2])] == times
