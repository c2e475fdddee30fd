from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unconceal.miniature.drawing import draw
from unconceal_lab.models import scene_images
from unconceal_lab.models.scene_images import SceneImages, render, render_cached


@pytest.fixture(scope="module")
def made() -> SceneImages:
    return render(60, 5)


def test_a_picture_depends_on_seed_and_number_alone(made: SceneImages) -> None:
    fewer, other = render(20, 5), render(20, 6)
    assert fewer.scenes == made.scenes[:20] and np.array_equal(fewer.pixels, made.pixels[:20]) and not set(other.scenes) & set(made.scenes)
    assert made.pixels.shape == (60, 64, 64, 3) and len(made) == 60
    assert all(np.array_equal(picture, draw(scene)) for picture, scene in zip(made.pixels, made.scenes, strict=True))


def test_without_and_showing_part_the_pictures(made: SceneImages) -> None:
    for concept in ("red", "striped"):
        shown, rest = made.indices_of(concept), made.excluding((concept,))
        assert len(shown) and sorted((*shown, *rest)) == list(range(60))
        assert all(concept in made.scenes[i].concepts for i in shown) and not any(concept in made.scenes[i].concepts for i in rest)
    both = made.excluding(("red", "striped"))
    assert set(both) == set(made.excluding(("red",))) & set(made.excluding(("striped",)))


def test_thinned_keeps_the_first_of_a_concepts_pictures(made: SceneImages) -> None:
    red, rows = made.indices_of("red"), made.subsampled({"red": 0.5})
    assert set(rows) & set(red) == set(red[: round(0.5 * len(red))]) and set(rows) - set(red) == set(made.excluding(("red",)))
    assert (
        set(made.subsampled({"red": 1e-6})) & set(red) == {red[0]} and len(made.subsampled({"red": 1.0})) == len(made.subsampled({})) == 60
    )
    both = made.subsampled({"red": 0.5, "striped": 0.0})
    assert not set(both) & set(made.indices_of("striped")) and set(both) <= set(rows)


def test_rows_index_even_when_there_are_none(made: SceneImages) -> None:
    none = made.indices_of("dragon")
    assert none.dtype == np.int64 and made.pixels[none].shape == (0, 64, 64, 3) and len(made.excluding(())) == 60
    everything = {name for scene in made.scenes for name in scene.concepts}
    assert made.pixels[made.excluding(everything)].shape[0] == 0


def test_a_cache_is_rendered_once(made: SceneImages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = render_cached(tmp_path / "work", 60, 5)
    monkeypatch.setattr(scene_images, "render", lambda count, seed: pytest.fail("rendered again"))
    for results in (first, render_cached(tmp_path / "work", 60, 5)):
        assert results.scenes == made.scenes and np.array_equal(results.pixels, made.pixels) and isinstance(results.pixels, np.memmap)


def test_a_cache_that_was_not_finished_is_made_anew(made: SceneImages, tmp_path: Path) -> None:
    render_cached(tmp_path, 60, 5)
    (tmp_path / "pictures-5-60.json").unlink()
    (tmp_path / "pictures-5-60.npy").write_bytes(b"half")
    assert np.array_equal(render_cached(tmp_path, 60, 5).pixels, made.pixels)
