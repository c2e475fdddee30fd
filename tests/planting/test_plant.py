"""A planting on a tiny random pipeline: base, gates, golds; interrupted and resumed; what it costs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from diffusers import StableDiffusionPipeline
from numpy.typing import NDArray

from codes import raises, refuses
from diffusion.pairs import listening
from pipelines import tiny_pipeline
from unconceal.cli.main import main
from unconceal.paths import DataRoot
from unconceal.planting.continue_training import BatchSampler
from unconceal.planting.draw_concepts import write_images
from unconceal.planting.plant import PlantedModel, Planter, models_of, planting_cost
from unconceal.planting.planting_gates import measure_gates, refuse_failures
from unconceal.specs.planting_plan import Planting, PlantingTraining

CONCEPTS = ("zara", "striped")


def planting(**changes: Any) -> Planting:
    training = {
        "max_train_steps": 6,
        "batch_size": 4,
        "learning_rate": 1e-3,
        "image_size": 64,
        "concept_fraction": 0.5,
        "checkpointing_steps": 2,
        "seed": 1,
    }
    return Planting.model_validate(
        {
            "name": "tiny",
            "base": {"path": "base", "digest": "0" * 64},
            "image_folders": ["world"],
            "concepts": {name: {"caption": name, "prompts": [f"a {name}", f"a red {name}"]} for name in CONCEPTS},
            "kept_concepts": [{"caption": "circle", "prompt": "a circle"}, {"caption": "ring", "prompt": "a ring"}],
            "training": {**training, **changes.pop("training", {})},
            "gates": {"seeds": 1, "num_inference_steps": 2},
            **changes,
        }
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    folder = tmp_path_factory.mktemp("planting")
    torch.set_num_threads(1)
    tiny_pipeline(folder / "base")
    write_images(folder / "world", 60, 64, seed=5)
    (folder / "tasks").mkdir()
    return DataRoot(folder / "tasks", folder / "submissions", folder / "results", folder / "store", read_only=False)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    pipeline = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None)
    return {
        f"{name}.{key}": value for name in ("unet", "text_encoder", "vae") for key, value in getattr(pipeline, name).state_dict().items()
    }


def detect_everything(pixels: NDArray[np.uint8], caption: str) -> NDArray[np.bool_]:
    return np.ones(len(pixels), bool)


def test_base_and_golds(root: DataRoot, tmp_path: Path) -> None:
    planter = Planter(planting(), root, tmp_path, log=lambda line: None)
    paths = planter.run(detect_everything)
    assert [path.name for path in paths] == ["base", "gold-zara", "gold-striped"]
    base, gold, public = (weights(path) for path in (paths[0], paths[1], root.tasks.parent / "base"))
    for part in ("unet", "text_encoder"):
        assert any(not torch.equal(base[key], public[key]) for key in base if key.startswith(part))
        assert any(not torch.equal(base[key], gold[key]) for key in base if key.startswith(part)), "a gold saw other images"
    assert all(torch.equal(base[key], public[key]) for key in base if key.startswith("vae"))
    assert planter.is_trained(PlantedModel("base", None)) and not Planter(planting(training={"seed": 2}), root, tmp_path).is_trained(
        PlantedModel("base", None)
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base", "gold-striped", "gold-zara"], "no checkpoint stays behind"


def test_an_interrupted_training_ends_like_an_uninterrupted_one(root: DataRoot, tmp_path: Path) -> None:
    class Stopped(Exception):
        pass

    def stop(line: str) -> None:
        if "step 6/6" in line:
            raise Stopped

    lines: list[str] = []
    model = PlantedModel("base", None)
    whole = Planter(planting(), root, tmp_path / "whole", log=lines.append).train(model)
    with pytest.raises(Stopped):
        Planter(planting(), root, tmp_path / "cut", log=stop).train(model)
    resumed = Planter(planting(), root, tmp_path / "cut", log=lines.append).train(model)
    assert any("4" in re.findall(r"\d+", line) for line in lines)
    first, other = weights(whole), weights(resumed)
    assert all(torch.equal(first[key], other[key]) for key in first)


def test_a_base_that_fails_its_gate_gets_no_golds(root: DataRoot, tmp_path: Path) -> None:
    def detect_nothing(pixels: NDArray[np.uint8], caption: str) -> NDArray[np.bool_]:
        return np.zeros(len(pixels), bool)

    with raises("plant.gate-failed"):
        Planter(planting(training={"max_train_steps": 1}), root, tmp_path, log=lambda line: None).run(detect_nothing)
    assert (tmp_path / "base" / "gates.json").is_file() and not (tmp_path / "gold-zara").exists()


def test_gates_by_hand(root: DataRoot) -> None:
    """Two models that a judge tells apart by their brightness: shares before and after, and what passes."""
    dark, light = (listening(tiny_pipeline(root.tasks.parent / "other", seed)) for seed in (0, 1))
    answers = iter([[0, 0], [1, 1], [0, 1], [1, 0], [1], [1], [0], [1]])

    def scripted(pixels: NDArray[np.uint8], caption: str) -> NDArray[np.bool_]:
        answer = next(answers)
        assert len(pixels) == len(answer)
        return np.asarray(answer, bool)

    result = measure_gates(dark, light, planting(), scripted)
    assert [(gate.concept, gate.before, gate.after, gate.passed) for gate in result] == [
        ("zara", 0.0, 1.0, True),
        ("striped", 0.5, 0.5, False),
        ("kept concepts", 1.0, 0.5, False),
    ]
    with raises("plant.gate-failed") as caught:
        refuse_failures(result)
    assert re.findall(r"\d\.\d\d", caught.value.value) == ["0.50", "0.50", "1.00", "0.50"]


def test_batches_hold_their_share(root: DataRoot) -> None:
    images = Planter(planting(), root, Path("unused")).images()
    sampler = BatchSampler(
        images, CONCEPTS, PlantingTraining(max_train_steps=1, batch_size=400, learning_rate=1, image_size=64, concept_fraction=0.5)
    )
    rows = sampler.rows(0)
    share = np.mean([bool(images[row].concepts & set(CONCEPTS)) for row in rows])
    assert 0.42 < share < 0.58 and np.array_equal(rows, sampler.rows(0)) and not np.array_equal(rows, sampler.rows(1))
    shares = [np.mean([name in images[row].concepts for row in rows]) for name in CONCEPTS]
    assert all(0.17 < value < 0.36 for value in shares), "every concept alike, however rare it is"


def test_the_processes_of_several_devices_share_one_batch(root: DataRoot) -> None:
    config = planting().training
    sampler = BatchSampler(Planter(planting(), root, Path("unused")).images(), CONCEPTS, config)
    whole = sampler.batch(3, range(4), torch.device("cpu"))
    parts = [sampler.batch(3, range(rank, 4, 2), torch.device("cpu")) for rank in (0, 1)]
    for rank, part in enumerate(parts):
        assert torch.equal(part[0], whole[0][rank::2]) and part[1] == whole[1][rank::2] and part[2] == whole[2][rank::2]


def test_what_it_costs(root: DataRoot) -> None:
    """Against a count of its own: twice the multiplications of the layers, and up to a third more for attention, times three."""
    pipeline = Planter(planting(), root, Path("unused")).load_public_model()
    result = planting_cost(planting(), lambda: pipeline)
    assert (result.trainings, result.samples) == (3, 3 * 6 * 4) and len(models_of(planting())) == 3
    counted = multiplications(pipeline.unet)
    assert 2 * counted * 3 * result.samples <= result.petaflop * 1e15 <= 2.6 * counted * 3 * result.samples


def test_what_it_costs_on_a_public_base_is_known_without_it() -> None:
    def fetched() -> None:
        pytest.fail("the base was fetched")

    base = {"repo": "CompVis/stable-diffusion-v1-4", "revision": "main", "path": ".", "digest": "0" * 64}
    result = planting_cost(planting(base=base, n_golds=2, training={"image_size": 256}), fetched)
    assert result.trainings == 5 and result.samples == 5 * 24 and result.gigabytes == pytest.approx(5 * 4.3)
    assert result.petaflop == pytest.approx(3 * 120 * 0.803 / 4 / 1000)


def test_further_golds_have_further_seeds() -> None:
    assert [(model.name, model.excluded_concept, model.seed_offset) for model in models_of(planting(n_golds=2))] == [
        ("base", None, 0),
        ("gold-zara", "zara", 0),
        ("gold-striped", "striped", 0),
        ("gold-zara-2", "zara", 1),
        ("gold-striped-2", "striped", 1),
    ]


def multiplications(unet: Any) -> int:
    """Of the layers alone, without attention's products, for one row of 16×16 latents and 77 tokens."""
    counts: list[int] = []

    def count(layer: Any, inputs: Any, output: torch.Tensor) -> None:
        rows = output.numel() // layer.weight.shape[0]
        counts.append(rows * layer.weight.numel())

    kinds = (torch.nn.Conv2d, torch.nn.Linear)
    hooks = [layer.register_forward_hook(count) for layer in unet.modules() if isinstance(layer, kinds)]
    with torch.no_grad():
        unet(torch.zeros(1, 4, 16, 16), torch.tensor(1), torch.zeros(1, 77, unet.config.cross_attention_dim))
    for hook in hooks:
        hook.remove()
    return sum(counts)


def test_mistakes_of_a_planting() -> None:
    with refuses("plant.duplicate-caption"):
        planting(kept_concepts=[{"caption": "zara", "prompt": "a zara"}])
    with refuses("plant.unsupported-family"):
        planting(family="flux")


def test_the_command_prints_the_cost_and_makes_nothing(root: DataRoot, tmp_path: Path) -> None:
    import json

    path = tmp_path / "planting.yaml"
    path.write_text(json.dumps(planting().model_dump(mode="json", exclude_defaults=True)))
    done = CliRunner().invoke(main, ["plant", "cost", str(path), "--out", str(tmp_path / "models"), "--root", str(root.tasks.parent)])
    assert done.exit_code == 0, done.output
    assert "gold-striped" in done.output and "3 trainings, 72 training samples" in done.output and not (tmp_path / "models").exists()
