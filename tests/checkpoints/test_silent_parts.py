"""Parts of a release that libraries pass over in silence: surplus keys of a conversion, cut kernels, settings of another adapter.

Each change is made to a release that loads, so what is refused is refused for it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import save_file
from torch import Tensor

from checkpoints.adapters import spm_state
from checkpoints.hostile.adapters import BLOCK, ERASER, FLAT, LAYER, LOKR, LORA, PEFT, PEFT_LORA, RANK, small
from checkpoints.releases import ldm_vae, ldm_whole, moved
from codes import raises
from pipelines import tiny_pipeline
from unconceal.checkpoints.apply import apply
from unconceal.checkpoints.verify import noise_buffers

State = dict[str, Tensor]
CLIP = "cond_stage_model.model."
NAMES = {
    "text_model.encoder.layers.": "transformer.resblocks.",
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    ".fc1.": ".c_fc.",
    ".fc2.": ".c_proj.",
    ".self_attn": ".attn",
    "text_model.final_layer_norm": "ln_final",
    "text_model.embeddings.token_embedding": "token_embedding",
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> StableDiffusionPipeline:
    return tiny_pipeline(tmp_path_factory.mktemp("base"))


def open_clip(base: StableDiffusionPipeline) -> State:
    """A changed text encoder under OpenCLIP's keys."""
    saved: State = {}
    parts: dict[str, list[tuple[int, Tensor]]] = {}
    for key, tensor in moved(base.text_encoder).items():
        key = key if key.startswith("text_model.") else f"text_model.{key}"
        for ours, theirs in NAMES.items():
            key = key.replace(ours, theirs)
        if key.endswith("position_embedding.weight"):
            saved[f"{CLIP}positional_embedding"] = tensor
        elif "_proj." in key and "attn" in key and "out_proj" not in key:
            name, kind = key.rpartition(".attn.")[0], key.rpartition(".")[2]
            parts.setdefault(f"{CLIP}{name}.attn.in_proj_{kind}", []).append(("qkv".index(key.split(".attn.")[1][0]), tensor))
        else:
            saved[CLIP + key] = tensor
    return saved | {name: torch.cat([tensor for _, tensor in sorted(rows, key=lambda row: row[0])]) for name, rows in parts.items()}


def pickle(folder: Path, state: Mapping[str, Tensor | float]) -> Path:
    torch.save(state, folder / "x.ckpt")
    return folder / "x.ckpt"


def adapter(folder: Path, files: dict[str, State], **configs: Any) -> Path:
    """A folder of weights files and JSON files."""
    release = folder / "release"
    release.mkdir()
    for name, state in files.items():
        save_file(state, release / name)
    for name, content in configs.items():
        (release / f"{name}.json").write_text(json.dumps(content))
    return release


def change(base: StableDiffusionPipeline, path: Path, key: str = f"{LAYER}.weight") -> Tensor:
    """What a release adds to a weight of the UNet."""
    before = base.unet.state_dict()[key].clone()
    pipe, _ = apply(base, path)
    difference: Tensor = pipe.unet.state_dict()[key] - before
    return difference


def test_open_clip_loads_and_its_surplus_keys_are_refused(base: StableDiffusionPipeline, tmp_path: Path) -> None:
    state = open_clip(base)
    pipe, applied = apply(base, pickle(tmp_path, state))
    expected = moved(base.text_encoder)
    assert applied.components["text_encoder"].matched == len(expected) and applied.unused_parts == ()
    assert all(torch.equal(tensor, expected[key]) for key, tensor in pipe.text_encoder.state_dict().items())
    with raises("checkpoint.wrong-architecture"):
        apply(base, pickle(tmp_path, state | {f"{CLIP}gate.weight": torch.ones(3)}))


def test_the_layer_of_open_clip_that_no_pipeline_runs_is_named(base: StableDiffusionPipeline, tmp_path: Path) -> None:
    after = f"{CLIP}transformer.resblocks.{base.text_encoder.config.num_hidden_layers}.ln_1.weight"
    last = {f"{CLIP}text_projection": torch.eye(32), after: torch.ones(32)}
    _, applied = apply(base, pickle(tmp_path, open_clip(base) | last))
    assert [part.split()[0] for part in applied.unused_parts] == ["2"]


def test_kernels_of_a_vae_are_not_cut(base: StableDiffusionPipeline, tmp_path: Path) -> None:
    state = ldm_vae(base.vae, moved(base.vae))
    apply(base, pickle(tmp_path, state))
    key = next(key for key in state if key.endswith("attn_1.q.weight"))
    cut = state[key].reshape(*state[key].shape[:2], 1, 1).repeat(1, 1, 3, 3)
    with raises("checkpoint.wrong-architecture"):
        apply(base, pickle(tmp_path, state | {key: cut}))


BUFFERS = noise_buffers(torch.linspace(0.99, 0.01, 1000))


@pytest.mark.parametrize("name", BUFFERS)
def test_every_buffer_of_a_noise_schedule_is_compared(base: StableDiffusionPipeline, tmp_path: Path, name: str) -> None:
    state, own = ldm_whole(base, moved(base.unet)), noise_buffers(base.scheduler.alphas_cumprod)
    for buffer in ("betas", "alphas_cumprod"):
        del state[buffer]
    apply(base, pickle(tmp_path, state | {name: own[name]}), use="model")
    with raises("checkpoint.wrong-architecture"):
        apply(base, pickle(tmp_path, state | {name: BUFFERS[name]}), use="model")


def test_two_embeddings_of_one_token_are_a_conflict(base: StableDiffusionPipeline, tmp_path: Path) -> None:
    apply(base, pickle(tmp_path, {"star": small(32), "Star": small(32)}))
    with raises("checkpoint.conflicting-tensors"):
        apply(base, pickle(tmp_path, {"star": small(32), "Star": 2 * small(32)}))


def test_settings_are_of_the_adapter_that_they_stand_for(base: StableDiffusionPipeline, tmp_path: Path) -> None:
    """α = 4 r of PEFT's adapter does not scale the other LoRA, whose α is its rank."""
    other = {key.replace("attn2", "attn1"): tensor for key, tensor in {"down": small(RANK, 16), "up": small(16, RANK)}.items()}
    name = FLAT.replace("attn2", "attn1")
    files = {
        "adapter_model.safetensors": PEFT_LORA,
        "extra.safetensors": {f"{name}.lora_down.weight": other["down"], f"{name}.lora_up.weight": other["up"]},
    }
    path = adapter(tmp_path, files, adapter_config={"r": RANK, "lora_alpha": 4 * RANK})
    up, down = PEFT_LORA[f"{PEFT}.lora_B.weight"], PEFT_LORA[f"{PEFT}.lora_A.weight"]
    torch.testing.assert_close(change(base, path), 4 * up @ down)
    torch.testing.assert_close(change(base, path, f"{LAYER.replace('attn2', 'attn1')}.weight"), other["up"] @ other["down"])


DIFFUSERS_LORA = {f"unet.{LAYER}.lora_A.weight": small(RANK, 32), f"unet.{LAYER}.lora_B.weight": small(16, RANK)}


def below(release: Path) -> Path:
    """The release with its adapter moved into a folder, away from its settings: by its keys alone, α would be the rank."""
    (release / "unet").mkdir()
    (release / "adapter_model.safetensors").rename(release / "unet" / "adapter_model.safetensors")
    return release


REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "settings beside two files, neither of which is theirs": (
        lambda folder: adapter(folder, {"a.safetensors": PEFT_LORA, "b.safetensors": LORA}, adapter_config={"r": RANK}),
        "checkpoint.ambiguous-settings",
    ),
    "two files of settings for one adapter": (
        lambda folder: adapter(folder, {"a.safetensors": PEFT_LORA}, adapter_config={"r": RANK}, eraser_config={}),
        "checkpoint.ambiguous-settings",
    ),
    "settings in another folder than their adapter": (
        lambda folder: below(adapter(folder, {"adapter_model.safetensors": DIFFUSERS_LORA}, adapter_config={"r": RANK, "lora_alpha": 16})),
        "checkpoint.ambiguous-settings",
    ),
    "another α beside the factors than in the settings": (
        lambda folder: adapter(
            folder,
            {"adapter_model.safetensors": {**LORA, f"{FLAT}.alpha": torch.tensor(1.0)}},
            adapter_config={"r": RANK, "lora_alpha": 16},
        ),
        "lora.bad-alpha",
    ),
    "settings of another rank": (
        lambda folder: adapter(folder, {"adapter_model.safetensors": PEFT_LORA}, adapter_config={"r": 2 * RANK, "lora_alpha": 1}),
        "lora.wrong-rank",
    ),
    "a pattern of α for no layer": (
        lambda folder: adapter(
            folder, {"adapter_model.safetensors": PEFT_LORA}, adapter_config={"r": RANK, "alpha_pattern": {f"unet.{LAYER}": 16}}
        ),
        "lora.unsupported-alpha",
    ),
    "an adapter that acts only behind some tokens": (
        lambda folder: adapter(
            folder, {"adapter_model.safetensors": PEFT_LORA}, adapter_config={"r": RANK, "alora_invocation_tokens": [1]}
        ),
        "lora.unsupported-update",
    ),
    "an adapter of another kind": (
        lambda folder: adapter(folder, {"adapter_model.safetensors": PEFT_LORA}, adapter_config={"r": RANK, "peft_type": "VERA"}),
        "lora.unsupported-update",
    ),
    "a plain number that scales": (lambda folder: pickle(folder, {**LORA, "lora_alpha": 16.0}), "checkpoint.unknown-keys"),
    "a kernel of as many elements": (
        lambda folder: pickle(folder, {"lora_unet_conv_in.lokr_w1": torch.ones(1, 1), "lora_unet_conv_in.lokr_w2": torch.ones(8, 4, 9, 1)}),
        "checkpoint.wrong-shape",
    ),
    "a pattern of the rank that is an expression": (
        lambda folder: adapter(
            folder, {"adapter_model.safetensors": PEFT_LORA}, adapter_config={"r": RANK, "rank_pattern": {".*to_k": RANK}}
        ),
        "lora.unsupported-alpha",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_settings_that_say_nothing_of_their_adapter_are_refused(base: StableDiffusionPipeline, tmp_path: Path, what: str) -> None:
    make, code = REFUSED[what]
    with raises(code):
        apply(base, make(tmp_path))


def test_patterns_of_alpha_and_rank_by_full_name(base: StableDiffusionPipeline, tmp_path: Path) -> None:
    settings = {"r": 8, "lora_alpha": 8, "rank_pattern": {LAYER: RANK}, "alpha_pattern": {LAYER: 3 * RANK}}
    path = adapter(tmp_path, {"adapter_model.safetensors": PEFT_LORA}, adapter_config=settings)
    up, down = PEFT_LORA[f"{PEFT}.lora_B.weight"], PEFT_LORA[f"{PEFT}.lora_A.weight"]
    torch.testing.assert_close(change(base, path), 3 * up @ down)


def test_the_rank_of_a_lokr_without_small_factors_is_that_of_its_pattern(base: StableDiffusionPipeline, tmp_path: Path) -> None:
    """Neither factor shows a rank: s = α / r with the layer's own r."""
    whole = {f"{PEFT}.lokr_w1": small(2, 4), f"{PEFT}.lokr_w2": small(8, 8)}
    settings = {"peft_type": "LOKR", "r": 8, "alpha": 8, "rank_pattern": {LAYER: 2}}
    path = adapter(tmp_path, {"adapter_model.safetensors": whole}, adapter_config=settings)
    torch.testing.assert_close(change(base, path), 4 * torch.kron(*whole.values()))


def test_two_adapters_in_one_folder_have_their_own_settings(base: StableDiffusionPipeline, tmp_path: Path) -> None:
    configs = {"adapter_config": {"r": RANK, "lora_alpha": RANK}, "eraser_config": {"eraser_type": "unheard-of"}}
    files = {"adapter_model.safetensors": PEFT_LORA, "eraser_weights.safetensors": ERASER}
    with raises("eraser.unsupported"):
        apply(base, adapter(tmp_path, files, **configs))
    assert BLOCK in next(iter(ERASER))


@pytest.mark.parametrize("metadata", ['{"unet.r": 2', "[]", '{"r": 2, "lora_alpha": 8}', '"x"'])
def test_metadata_that_cannot_be_read_are_refused(base: StableDiffusionPipeline, tmp_path: Path, metadata: str) -> None:
    path = tmp_path / "x.safetensors"
    save_file(DIFFUSERS_LORA, path, {"lora_adapter_metadata": json.dumps({"unet.r": RANK, "unet.lora_alpha": RANK})})
    apply(base, path)
    save_file(DIFFUSERS_LORA, path, {"lora_adapter_metadata": metadata})
    with raises("lora.bad-metadata"):
        apply(base, path)


def test_settings_at_the_root_are_compared(base: StableDiffusionPipeline, tmp_path: Path) -> None:
    config = json.loads(base.unet.to_json_string())
    path = adapter(tmp_path, {"diffusion_pytorch_model.safetensors": moved(base.unet)}, config=config)
    apply(base, path)
    for changes, code in (
        ({"freq_shift": 1}, "checkpoint.wrong-architecture"),
        ({"_class_name": "UNet3DConditionModel"}, "checkpoint.other-class"),
    ):
        (path / "config.json").write_text(json.dumps(config | changes))
        with raises(code):
            apply(base, path)


def test_a_lokr_is_as_large_as_its_factors_say(base: StableDiffusionPipeline, tmp_path: Path) -> None:
    """The form that the tests above change loads."""
    save_file(LOKR, tmp_path / "x.safetensors")
    assert change(base, tmp_path / "x.safetensors").abs().max() > 0


def test_an_spm_that_was_saved_again_is_no_lora(base: StableDiffusionPipeline, tmp_path: Path) -> None:
    """A copy has metadata of its own, but not SPM's; kohya's trainer says that it made a LoRA."""
    state = spm_state(base, 1)
    for metadata, code in (({"format": "pt"}, "spm.no-metadata"), ({"rank": "1", "alpha": "1.0"}, "spm.no-metadata")):
        save_file(state, tmp_path / "x.safetensors", metadata)
        with raises(code):
            apply(base, tmp_path / "x.safetensors")
    save_file(state, tmp_path / "x.safetensors", {"ss_network_dim": "1"})
    assert apply(base, tmp_path / "x.safetensors")[1].format == "lora"


def test_metadata_that_name_another_prediction_are_refused(base: StableDiffusionPipeline, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_file(moved(base.unet), path, {"modelspec.prediction_type": "epsilon"})
    apply(base, path)
    save_file(moved(base.unet), path, {"modelspec.prediction_type": "v"})
    with raises("checkpoint.wrong-architecture"):
        apply(base, path)


def test_a_header_with_a_key_twice_is_refused(base: StableDiffusionPipeline, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_file({f"{LAYER}.weight": small(16, 32)}, path, {"rank": "1"})
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = content[8 : 8 + length].replace(b'"rank":"1"', b'"rank":"1","rank":"9"')
    path.write_bytes(len(header).to_bytes(8, "little") + header + content[8 + length :])
    with raises("checkpoint.damaged"):
        apply(base, path)
