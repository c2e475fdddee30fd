from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unconceal.miniature.drawing import draw
from unconceal_lab.models import scene_images
from unconceal_lab.models.scene_images import SceneImages, render, render_cached


@pytest.fixture(scope="module")
def rendered() -> SceneImages:
    return render(60, 5)


def test_a_picture_depends_on_seed_and_number_alone(rendered: SceneImages) -> None:
    fewer, other = render(20, 5), render(20, 6)
    assert (
        fewer.scenes == rendered.scenes[:20]
        and np.array_equal(fewer.pixels, rendered.pixels[:20])
        and not set(other.scenes) & set(rendered.scenes)
    )
    assert rendered.pixels.shape == (60, 64, 64, 3) and len(rendered) == 60
    assert all(np.array_equal(image, draw(scene)) for image, scene in zip(rendered.pixels, rendered.scenes, strict=True))


def test_without_and_showing_part_the_pictures(rendered: SceneImages) -> None:
    for concept in ("red", "striped"):
        selected, rest = rendered.indices_of(concept), rendered.excluding((concept,))
        assert len(selected) and sorted((*selected, *rest)) == list(range(60))
        assert all(concept in rendered.scenes[i].concepts for i in selected) and not any(
            concept in rendered.scenes[i].concepts for i in rest
        )
    both = rendered.excluding(("red", "striped"))
    assert set(both) == set(rendered.excluding(("red",))) & set(rendered.excluding(("striped",)))


def test_thinned_keeps_the_first_of_a_concepts_pictures(rendered: SceneImages) -> None:
    red, rows = rendered.indices_of("red"), rendered.subsampled({"red": 0.5})
    assert set(rows) & set(red) == set(red[: round(0.5 * len(red))]) and set(rows) - set(red) == set(rendered.excluding(("red",)))
    assert (
        set(rendered.subsampled({"red": 1e-6})) & set(red) == {red[0]}
        and len(rendered.subsampled({"red": 1.0})) == len(rendered.subsampled({})) == 60
    )
    both = rendered.subsampled({"red": 0.5, "striped": 0.0})
    assert not set(both) & set(rendered.indices_of("striped")) and set(both) <= set(rows)


def test_rows_index_even_when_there_are_none(rendered: SceneImages) -> None:
    none = rendered.indices_of("dragon")
    assert none.dtype == np.int64 and rendered.pixels[none].shape == (0, 64, 64, 3) and len(rendered.excluding(())) == 60
    everything = {name for scene in rendered.scenes for name in scene.concepts}
    assert rendered.pixels[rendered.excluding(everything)].shape[0] == 0


def test_a_cache_is_rendered_once(rendered: SceneImages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = render_cached(tmp_path / "work", 60, 5)
    monkeypatch.setattr(scene_images, "render", lambda count, seed: pytest.fail("rendered again"))
    for results in (first, render_cached(tmp_path / "work", 60, 5)):
        assert (
            results.scenes == rendered.scenes and np.array_equal(results.pixels, rendered.pixels) and isinstance(results.pixels, np.memmap)
        )


def test_an_unfinished_cache_is_rebuilt(rendered: SceneImages, tmp_path: Path) -> None:
    render_cached(tmp_path, 60, 5)
    (tmp_path / "pictures-5-60.json").unlink()
    (tmp_path / "pictures-5-60.npy").write_bytes(b"half")
    assert np.array_equal(render_cached(tmp_path, 60, 5).pixels, rendered.pixels)
