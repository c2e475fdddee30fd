"""A planting on a tiny random pipeline: base, gates, golds; interrupted and resumed; what it costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from diffusers import StableDiffusionPipeline
from numpy.typing import NDArray
from pydantic import ValidationError

from diffusion.pairs import listening
from pipelines import tiny_pipeline
from unconceal.cli.main import main
from unconceal.errors import CheckFailed
from unconceal.paths import DataRoot
from unconceal.planting.continue_training import Batches
from unconceal.planting.draw_concepts import write_world
from unconceal.planting.plant import Model, Planter, cost, models_of
from unconceal.planting.planting_gates import gate, refuse_failures
from unconceal.specs.planting_plan import Planting, Training

CONCEPTS = ("zara", "striped")


def planting(**changes: Any) -> Planting:
    training = {"steps": 6, "batch": 4, "rate": 1e-3, "size": 64, "share": 0.5, "keep_every": 2, "seed": 1}
    return Planting.model_validate(
        {
            "name": "tiny",
            "base": {"path": "base", "digest": "0" * 64},
            "pictures": ["world"],
            "concepts": {name: {"caption": name, "prompts": [f"a {name}", f"a red {name}"]} for name in CONCEPTS},
            "held": [{"caption": "circle", "prompt": "a circle"}, {"caption": "ring", "prompt": "a ring"}],
            "training": {**training, **changes.pop("training", {})},
            "gates": {"seeds": 1, "steps": 2},
            **changes,
        }
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    folder = tmp_path_factory.mktemp("planting")
    torch.set_num_threads(1)
    tiny_pipeline(folder / "base")
    write_world(folder / "world", 60, 64, seed=5)
    (folder / "tasks").mkdir()
    return DataRoot(folder / "tasks", folder / "submissions", folder / "results", folder / "store", read_only=False)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    pipe = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None)
    return {f"{name}.{key}": value for name in ("unet", "text_encoder", "vae") for key, value in getattr(pipe, name).state_dict().items()}


def everything(pixels: NDArray[np.uint8], caption: str) -> NDArray[np.bool_]:
    return np.ones(len(pixels), bool)


def test_base_and_golds(root: DataRoot, tmp_path: Path) -> None:
    planter = Planter(planting(), root, tmp_path, say=lambda line: None)
    made = planter.plant(everything)
    assert [path.name for path in made] == ["base", "gold-zara", "gold-striped"]
    base, gold, public = (weights(path) for path in (made[0], made[1], root.tasks.parent / "base"))
    for part in ("unet", "text_encoder"):
        assert any(not torch.equal(base[key], public[key]) for key in base if key.startswith(part))
        assert any(not torch.equal(base[key], gold[key]) for key in base if key.startswith(part)), "a gold saw other pictures"
    assert all(torch.equal(base[key], public[key]) for key in base if key.startswith("vae"))
    assert planter.made(Model("base", None)) and not Planter(planting(training={"seed": 2}), root, tmp_path).made(Model("base", None))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base", "gold-striped", "gold-zara"], "no checkpoint stays behind"


def test_an_interrupted_training_ends_like_an_uninterrupted_one(root: DataRoot, tmp_path: Path) -> None:
    class Stopped(Exception):
        pass

    def stop(line: str) -> None:
        if "step 6/6" in line:
            raise Stopped

    said: list[str] = []
    model = Model("base", None)
    whole = Planter(planting(), root, tmp_path / "whole", say=said.append).make(model)
    with pytest.raises(Stopped):
        Planter(planting(), root, tmp_path / "cut", say=stop).make(model)
    resumed = Planter(planting(), root, tmp_path / "cut", say=said.append).make(model)
    assert any("goes on after step 4" in line for line in said)
    one, other = weights(whole), weights(resumed)
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_a_base_that_fails_its_gate_gets_no_golds(root: DataRoot, tmp_path: Path) -> None:
    def nothing(pixels: NDArray[np.uint8], caption: str) -> NDArray[np.bool_]:
        return np.zeros(len(pixels), bool)

    with pytest.raises(CheckFailed, match="is no base"):
        Planter(planting(training={"steps": 1}), root, tmp_path, say=lambda line: None).plant(nothing)
    assert (tmp_path / "base" / "gates.json").is_file() and not (tmp_path / "gold-zara").exists()


def test_gates_by_hand(root: DataRoot) -> None:
    """Two models that a judge tells apart by their brightness: shares before and after, and what passes."""
    dark, light = (listening(tiny_pipeline(root.tasks.parent / "other", seed)) for seed in (0, 1))
    answers = iter([[0, 0], [1, 1], [0, 1], [1, 0], [1], [1], [0], [1]])

    def scripted(pixels: NDArray[np.uint8], caption: str) -> NDArray[np.bool_]:
        said = next(answers)
        assert len(pixels) == len(said)
        return np.asarray(said, bool)

    found = gate(dark, light, planting(), scripted)
    assert [(one.what, one.before, one.after, one.passed) for one in found] == [
        ("zara", 0.0, 1.0, True),
        ("striped", 0.5, 0.5, False),
        ("held prompts", 1.0, 0.5, False),
    ]
    with pytest.raises(CheckFailed, match=r"striped 0\.50 before, 0\.50 after; held prompts 1\.00 before"):
        refuse_failures(found)


def test_batches_hold_their_share(root: DataRoot) -> None:
    pictures = Planter(planting(), root, Path("unused")).pictures()
    shown = Batches(pictures, CONCEPTS, Training(steps=1, batch=400, rate=1, size=64, share=0.5))
    rows = shown.rows(0)
    share = np.mean([bool(pictures[row].concepts & set(CONCEPTS)) for row in rows])
    assert 0.42 < share < 0.58 and np.array_equal(rows, shown.rows(0)) and not np.array_equal(rows, shown.rows(1))
    each = [np.mean([name in pictures[row].concepts for row in rows]) for name in CONCEPTS]
    assert all(0.17 < one < 0.36 for one in each), "every concept alike, however rare it is"


def test_the_processes_of_several_devices_share_one_batch(root: DataRoot) -> None:
    how = planting().training
    shown = Batches(Planter(planting(), root, Path("unused")).pictures(), CONCEPTS, how)
    whole = shown.batch(3, range(4), torch.device("cpu"))
    parts = [shown.batch(3, range(rank, 4, 2), torch.device("cpu")) for rank in (0, 1)]
    for rank, part in enumerate(parts):
        assert torch.equal(part[0], whole[0][rank::2]) and part[1] == whole[1][rank::2] and part[2] == whole[2][rank::2]


def test_what_it_costs(root: DataRoot) -> None:
    """Against a count of its own: twice the multiplications of the layers, and up to a third more for attention, times three."""
    pipe = Planter(planting(), root, Path("unused")).public()
    found = cost(planting(), lambda: pipe)
    assert (found.trainings, found.samples) == (3, 3 * 6 * 4) and len(models_of(planting())) == 3
    counted = multiplications(pipe.unet)
    assert 2 * counted * 3 * found.samples <= found.petaflop * 1e15 <= 2.6 * counted * 3 * found.samples


def test_what_it_costs_on_a_public_base_is_known_without_it() -> None:
    def fetched() -> None:
        pytest.fail("the base was fetched")

    base = {"repo": "CompVis/stable-diffusion-v1-4", "revision": "main", "path": ".", "digest": "0" * 64}
    found = cost(planting(base=base, golds=2, training={"size": 256}), fetched)
    assert found.trainings == 5 and found.samples == 5 * 24 and found.gigabytes == pytest.approx(5 * 4.3)
    assert found.petaflop == pytest.approx(3 * 120 * 0.803 / 4 / 1000)


def test_further_golds_have_further_seeds() -> None:
    assert [(one.name, one.unseen, one.further) for one in models_of(planting(golds=2))] == [
        ("base", None, 0),
        ("gold-zara", "zara", 0),
        ("gold-striped", "striped", 0),
        ("gold-zara-2", "zara", 1),
        ("gold-striped-2", "striped", 1),
    ]


def multiplications(unet: Any) -> int:
    """Of the layers alone, without attention's products, for one row of 16×16 latents and 77 tokens."""
    seen: list[int] = []

    def count(layer: Any, inputs: Any, output: torch.Tensor) -> None:
        rows = output.numel() // layer.weight.shape[0]
        seen.append(rows * layer.weight.numel())

    kinds = (torch.nn.Conv2d, torch.nn.Linear)
    hooks = [layer.register_forward_hook(count) for layer in unet.modules() if isinstance(layer, kinds)]
    with torch.no_grad():
        unet(torch.zeros(1, 4, 16, 16), torch.tensor(1), torch.zeros(1, 77, unet.config.cross_attention_dim))
    for hook in hooks:
        hook.remove()
    return sum(seen)


def test_mistakes_of_a_planting() -> None:
    with pytest.raises(ValidationError, match="stand twice"):
        planting(held=[{"caption": "zara", "prompt": "a zara"}])
    with pytest.raises(ValidationError, match="cannot be planted yet"):
        planting(family="flux")


def test_the_command_prints_the_cost_and_makes_nothing(root: DataRoot, tmp_path: Path) -> None:
    import json

    path = tmp_path / "planting.yaml"
    path.write_text(json.dumps(planting().model_dump(mode="json", exclude_defaults=True)))
    done = CliRunner().invoke(main, ["plant", "cost", str(path), "--out", str(tmp_path / "models"), "--root", str(root.tasks.parent)])
    assert done.exit_code == 0, done.output
    assert "gold-striped" in done.output and "3 trainings, 72 pictures" in done.output and not (tmp_path / "models").exists()
