from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import save_file
from torch import Tensor

from codes import raises
from pipelines import tiny_pipeline
from unconceal.checkpoints.apply import apply
from unconceal.checkpoints.base_pipeline import load_base

OTHER_SEED = 7
COMPONENTS = ("unet", "text_encoder", "vae")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The base's folder and that of an equally shaped model of other weights."""
    built = tmp_path_factory.mktemp("models")
    tiny_pipeline(built / "base")
    tiny_pipeline(built / "other", OTHER_SEED)
    return built / "base", built / "other"


@pytest.fixture
def base(folders: tuple[Path, Path]) -> StableDiffusionPipeline:
    return load_base(folders[0])


def unet_of(pipe: Any) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in pipe.unet.state_dict().items()}


def shared(first: Any, second: Any) -> set[str]:
    return {name for name in COMPONENTS if getattr(first, name) is getattr(second, name)}


def saved(path: Path, state: dict[str, Tensor]) -> Path:
    save_file({key: value.contiguous() for key, value in state.items()}, path)
    return path


def test_original_is_the_base_itself(base: StableDiffusionPipeline) -> None:
    pipe, applied = apply(base, None, "original")
    assert pipe is base and applied.format == "original" and applied.sha256 is None and not applied.components


def test_a_partial_unet_changes_the_unet_only(base: StableDiffusionPipeline, tmp_path: Path) -> None:
    before = unet_of(base)
    edit = {key: value * 1.5 for key, value in before.items() if "attn2.to_k" in key}
    path = saved(tmp_path / "esd.safetensors", edit)
    pipe, applied = apply(base, path)
    assert shared(base, pipe) == {"text_encoder", "vae"} and pipe.scheduler is not base.scheduler
    assert all(torch.equal(value, before[key]) for key, value in base.unet.state_dict().items())
    assert all(torch.equal(value, edit.get(key, before[key])) for key, value in pipe.unet.state_dict().items())
    record = applied.components["unet"]
    assert (record.matched, record.missing, record.unexpected, record.changed) == (len(edit), len(before) - len(edit), 0, len(edit))
    flat_old = np.concatenate([value.numpy().ravel() for value in before.values()])
    flat_new = np.concatenate([edit.get(key, value).numpy().ravel() for key, value in before.items()])
    expected = np.linalg.norm(flat_new - flat_old) / np.linalg.norm(flat_old)
    assert record.relative_change == pytest.approx(expected, rel=1e-5)
    assert applied.format == "state-dict" and applied.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("prefix", ["", "text_model.", "text_encoder.", "text_encoder.text_model."])
def test_text_encoders_under_any_spelling(base: StableDiffusionPipeline, tmp_path: Path, prefix: str) -> None:
    own_values = base.text_encoder.state_dict()
    state = {prefix + key.removeprefix("text_model."): value + 1 for key, value in own_values.items()}
    state[prefix + "embeddings.position_ids"] = torch.arange(24)[None]
    torch.save(state, tmp_path / "TextEncoder.pt")
    pipe, applied = apply(base, tmp_path / "TextEncoder.pt")
    assert shared(base, pipe) == {"unet", "vae"}
    record = applied.components["text_encoder"]
    assert (record.matched, record.missing, record.unexpected, record.changed) == (len(own_values), 0, 1, len(own_values))
    assert all(torch.equal(value, own_values[key] + 1) for key, value in pipe.text_encoder.state_dict().items())


def test_a_pipeline_folder_replaces_every_component(base: StableDiffusionPipeline, folders: tuple[Path, Path]) -> None:
    pipe, applied = apply(base, folders[1])
    assert applied.format == "pipeline" and set(applied.components) == set(COMPONENTS) and not shared(base, pipe)
    expected = load_base(folders[1])
    for name in COMPONENTS:
        base_values = getattr(expected, name).state_dict()
        assert all(torch.equal(value, base_values[key]) for key, value in getattr(pipe, name).state_dict().items())


def test_a_component_folder_alone_or_in_its_layout(base: StableDiffusionPipeline, folders: tuple[Path, Path], tmp_path: Path) -> None:
    load_base(folders[1]).text_encoder.save_pretrained(tmp_path / "release" / "text_encoder")
    for path in (tmp_path / "release", tmp_path / "release" / "text_encoder"):
        pipe, applied = apply(base, path)
        assert applied.format == "components" and set(applied.components) == {"text_encoder"} and shared(base, pipe) == {"unet", "vae"}


def test_half_precision_weights_run_in_the_base_precision(base: StableDiffusionPipeline, tmp_path: Path) -> None:
    state = {key: (value * 2).half() for key, value in unet_of(base).items()}
    pipe, _ = apply(base, saved(tmp_path / "x.safetensors", state))
    assert {value.dtype for value in pipe.unet.state_dict().values()} == {torch.float32}
    picture = pipe("a star", num_inference_steps=2, output_type="np").images
    assert np.isfinite(picture).all()


def refused(base: StableDiffusionPipeline, path: Path | None, code: str, **options: Any) -> str:
    with raises(code) as caught:
        apply(base, path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_missing_file_is_refused(base: StableDiffusionPipeline, tmp_path: Path) -> None:
    refused(base, tmp_path / "absent.safetensors", "checkpoint.not-found")
    refused(base, None, "checkpoint.not-found")


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite_are_refused(base: StableDiffusionPipeline, tmp_path: Path, bad: float) -> None:
    state = unet_of(base)
    state["conv_out.bias"][1] = bad
    assert "'conv_out.bias'" in refused(base, saved(tmp_path / "x.safetensors", state), "checkpoint.not-finite")


def test_another_architecture_is_refused(base: StableDiffusionPipeline, tmp_path: Path) -> None:
    state = unet_of(base)
    wider = {**state, "conv_in.weight": torch.cat([state["conv_in.weight"]] * 2)}
    refused(base, saved(tmp_path / "wider.safetensors", wider), "checkpoint.wrong-shape")
    deeper = {**state, "down_blocks.5.resnets.0.conv1.weight": torch.ones(1)}
    refused(base, saved(tmp_path / "deeper.safetensors", deeper), "checkpoint.unknown-keys")


def test_the_base_under_another_name_is_refused(base: StableDiffusionPipeline, folders: tuple[Path, Path], tmp_path: Path) -> None:
    refused(base, folders[0], "checkpoint.no-change")
    refused(base, saved(tmp_path / "x.safetensors", unet_of(base)), "checkpoint.no-change")
    halved = {key: value.half() for key, value in unet_of(base).items()}
    refused(base, saved(tmp_path / "half.safetensors", halved), "checkpoint.no-change")
    refused(base, saved(tmp_path / "empty.safetensors", {}), "checkpoint.no-weights")


def test_a_tiny_change_in_any_component_is_accepted(base: StableDiffusionPipeline, folders: tuple[Path, Path], tmp_path: Path) -> None:
    pipe = load_base(folders[0])
    pipe.text_encoder.state_dict()[next(iter(base.text_encoder.state_dict()))].mul_(1.01)
    pipe.save_pretrained(tmp_path / "released")
    applied_pipe, applied = apply(base, tmp_path / "released")
    assert shared(base, applied_pipe) == {"unet", "vae"}
    assert {name: record.changed for name, record in applied.components.items()} == {"unet": 0, "text_encoder": 1, "vae": 0}
    assert applied.components["unet"].relative_change == 0 < applied.components["text_encoder"].relative_change < 0.01


def test_an_incomplete_component_folder_is_refused(base: StableDiffusionPipeline, tmp_path: Path) -> None:
    state = unet_of(base)
    state.pop("conv_out.bias")
    (tmp_path / "unet").mkdir()
    saved(tmp_path / "unet" / "diffusion_pytorch_model.safetensors", state)
    refused(base, tmp_path, "checkpoint.missing-keys")


def test_a_model_that_predicts_something_else_is_refused(base: StableDiffusionPipeline, tmp_path: Path) -> None:
    other = tiny_pipeline(tmp_path / "other", OTHER_SEED)
    other.scheduler.register_to_config(prediction_type="v_prediction")
    other.save_pretrained(tmp_path / "other")
    refused(base, tmp_path / "other", "checkpoint.wrong-architecture")
    config = tmp_path / "other" / "scheduler" / "scheduler_config.json"
    config.unlink()
    heads = tmp_path / "other" / "text_encoder" / "config.json"
    heads.write_text(json.dumps({**json.loads(heads.read_text()), "num_attention_heads": 4}))
    refused(base, tmp_path / "other", "checkpoint.wrong-architecture")


def test_the_promised_digest_is_kept(base: StableDiffusionPipeline, tmp_path: Path) -> None:
    path = saved(tmp_path / "x.safetensors", {"conv_in.bias": torch.ones(8)})
    _, applied = apply(base, path)
    assert applied.sha256
    assert apply(base, path, sha256=applied.sha256)[1] == applied
    refused(base, path, "checkpoint.digest-mismatch", sha256="0" * 64)


def test_the_format_named_must_be_the_format_found(base: StableDiffusionPipeline, folders: tuple[Path, Path], tmp_path: Path) -> None:
    refused(base, folders[1], "checkpoint.wrong-format", format="state-dict")
    (tmp_path / "notes.txt").write_text("no weights")
    refused(base, tmp_path / "notes.txt", "checkpoint.unknown-format")
    refused(base, tmp_path, "checkpoint.no-weights")
