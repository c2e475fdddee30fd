"""Nothing of a release is passed over in silence: it is applied, named, or refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import save_file

from checkpoints.adapters import erasers, spm_state, wrapped_by_peft
from checkpoints.containers import aliased_text_encoder, forget_me_not, selective_amnesia, sharded_unet
from checkpoints.releases import another, in_text_model, kohya_state, ldm_whole, moved, peft_unet, write
from codes import raises
from pipelines import tiny_pipeline
from unconceal.checkpoints.apply import apply

Maker: TypeAlias = Callable[[StableDiffusionPipeline, Path], Path]
KEY = "mid_block.attentions.0.transformer_blocks.0.attn2.to_k"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> StableDiffusionPipeline:
    return tiny_pipeline(tmp_path_factory.mktemp("base"))


def unet_folder(base: StableDiffusionPipeline, folder: Path) -> Path:
    another(base.unet)[0].save_pretrained(folder / "release" / "unet")
    return folder / "release"


def beside(name: str, state: Callable[[StableDiffusionPipeline], dict[str, Any]]) -> Maker:
    """A UNet's folder with one more file."""

    def make(base: StableDiffusionPipeline, folder: Path) -> Path:
        root = unet_folder(base, folder)
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in (".safetensors", ".pt", ".bin"):
            write(path, state(base))
        else:
            path.write_bytes(b"weights")
        return root

    return make


def file(name: str, state: Callable[[StableDiffusionPipeline], Any], metadata: dict[str, str] | None = None) -> Maker:
    return lambda base, folder: write(folder / name, state(base), metadata)


def texts(base: StableDiffusionPipeline) -> dict[str, Any]:
    return in_text_model(moved(base.text_encoder))


def alias_that_differs(base: StableDiffusionPipeline, folder: Path) -> Path:
    path, _ = aliased_text_encoder(base, folder)
    state = torch.load(path)
    state["embedding.token_embedding.weight"] = state["embedding.token_embedding.weight"] + 1
    return write(folder / "other.pt", state)


def lora_on_changed(base: StableDiffusionPipeline, folder: Path) -> Path:
    root = unet_folder(base, folder)
    write(root / "pytorch_lora_weights.safetensors", kohya_state(peft_unet(base)[0]))
    return root


def two_loras(base: StableDiffusionPipeline, folder: Path) -> Path:
    for name in ("a", "b"):
        write(folder / "loras" / f"{name}.safetensors", kohya_state(peft_unet(base)[0]))
    return folder / "loras"


def other_merges(base: StableDiffusionPipeline, folder: Path) -> Path:
    root = unet_folder(base, folder)
    base.tokenizer.save_pretrained(root / "tokenizer")
    path = root / "tokenizer" / "tokenizer.json"
    content = json.loads(path.read_text())
    content["model"]["merges"] = content["model"]["merges"][:-1]
    path.write_text(json.dumps(content))
    return root


def other_vocabulary(base: StableDiffusionPipeline, folder: Path) -> Path:
    root = unet_folder(base, folder)
    (root / "tokenizer").mkdir()
    path = root / "tokenizer" / "vocab.json"
    words = base.tokenizer.get_vocab()
    first, second = list(words)[300:302]
    path.write_text(json.dumps(words | {first: words[second], second: words[first]}))
    return root


def added_word(base: StableDiffusionPipeline, folder: Path) -> Path:
    root = unet_folder(base, folder)
    (root / "tokenizer").mkdir()
    (root / "tokenizer" / "added_tokens.json").write_text(json.dumps({"star": 904}))
    return root


def other_padding(base: StableDiffusionPipeline, folder: Path) -> Path:
    root = unet_folder(base, folder)
    base.tokenizer.save_pretrained(root / "tokenizer")
    path = root / "tokenizer" / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"pad_token": "!"}))
    return root


def vocabulary_at_the_root(base: StableDiffusionPipeline, folder: Path) -> Path:
    write(folder / "encoder" / "model.safetensors", texts(base))
    words = base.tokenizer.get_vocab()
    (folder / "encoder" / "vocab.json").write_text(json.dumps(dict(zip(words, reversed(words.values()), strict=True))))
    return folder / "encoder"


def missing_shard(base: StableDiffusionPipeline, folder: Path) -> Path:
    path, _ = sharded_unet(base, folder)
    next((path / "unet").glob("*-of-*.safetensors")).unlink()
    (path / "unet" / "diffusion_pytorch_model.safetensors.index.json").unlink()
    return path


def pissa(base: StableDiffusionPipeline, folder: Path) -> Path:
    peft_unet(base)[0].save_pretrained(folder / "peft")
    path = folder / "peft" / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"init_lora_weights": "pissa_niter_4"}))
    return folder / "peft"


def receler(change: Callable[[dict[str, Any]], object]) -> Maker:
    def make(base: StableDiffusionPipeline, folder: Path) -> Path:
        blocks = erasers(base)
        change(blocks)
        return write(folder / "eraser_weights.pt", blocks)

    return make


def eraser_of_another_type(base: StableDiffusionPipeline, folder: Path) -> Path:
    write(folder / "receler" / "eraser_weights.pt", erasers(base))
    (folder / "receler" / "eraser_config.json").write_text(json.dumps({"eraser_type": "gated"}))
    return folder / "receler"


def pipeline_without_vae(base: StableDiffusionPipeline, folder: Path) -> Path:
    base.save_pretrained(folder / "whole")
    unet_folder(base, folder)
    shutil.copytree(folder / "release" / "unet", folder / "whole" / "unet", dirs_exist_ok=True)
    shutil.rmtree(folder / "whole" / "vae")
    return folder / "whole"


def said_in(name: str, **values: Any) -> Maker:
    """A whole pipeline with a changed UNet, one of whose JSON files says something else."""

    def make(base: StableDiffusionPipeline, folder: Path) -> Path:
        base.save_pretrained(folder / "whole")
        another(base.unet)[0].save_pretrained(folder / "whole" / "unet")
        path = folder / "whole" / name
        path.write_text(json.dumps(json.loads(path.read_text()) | values))
        return folder / "whole"

    return make


def schedule_of_another_model(base: StableDiffusionPipeline) -> dict[str, Any]:
    return ldm_whole(base, moved(base.unet)) | {"alphas_cumprod": base.scheduler.alphas_cumprod**2}


def spm(name: str, seed: int, alpha: str) -> Maker:
    def make(base: StableDiffusionPipeline, folder: Path) -> Path:
        for number in range(2):
            metadata = {"rank": "1", "alpha": alpha if number else "1.0", "prompts": "star"}
            write(folder / name / f"{number}.safetensors", spm_state(base, seed + number), metadata)
        return folder / name

    return make


PARTIAL: dict[str, tuple[Maker, str]] = {
    "a file in a folder that no pipeline has": (beside("text_model/model.safetensors", texts), "checkpoint.unread-file"),
    "a training snapshot below": (beside("checkpoint-500/unet/model.safetensors", texts), "checkpoint.unread-file"),
    "a nested text encoder": (beside("text_encoder/best/model.safetensors", texts), "checkpoint.unread-file"),
    "masks in a format that is not opened": (beside("masks.npz", texts), "checkpoint.unread-file"),
    "weights under a suffix in capitals": (beside("text_encoder/MODEL.SAFETENSORS", texts), "checkpoint.unread-file"),
    "weights without a suffix": (beside("text_encoder/weights", texts), "checkpoint.unread-file"),
    "weights under an unknown suffix": (beside("unet.sft", texts), "checkpoint.unread-file"),
    "a pipeline with a rule of its own": (
        said_in("model_index.json", _class_name="StableDiffusionPipelineSafe"),
        "checkpoint.other-class",
    ),
    "a UNet with code of its own": (said_in("model_index.json", unet=["my_unet", "MyUNet"]), "checkpoint.other-class"),
    "a text encoder with code of its own": (
        said_in("text_encoder/config.json", auto_map={"AutoModel": "mine.Model"}),
        "checkpoint.other-class",
    ),
    "another step of the time embedding": (said_in("unet/config.json", freq_shift=1), "checkpoint.wrong-architecture"),
    "weights in an archive": (beside("text_encoder.tar.gz", texts), "checkpoint.unread-file"),
    "weights in GGUF": (beside("unet/unet.gguf", texts), "checkpoint.unread-file"),
    "an unknown tensor in a file beside": (beside("extra.pt", lambda base: {"gate.scale": torch.ones(3)}), "checkpoint.unknown-keys"),
    "a second UNet at the root": (beside("unet.pt", lambda base: moved(base.unet, seed=3)), "checkpoint.conflicting-tensors"),
    "an alias that differs": (alias_that_differs, "checkpoint.conflicting-tensors"),
    "a LoRA of a changed UNet": (lora_on_changed, "checkpoint.conflicting-tensors"),
    "two LoRAs of the same layers": (two_loras, "checkpoint.conflicting-tensors"),
    "two copies that differ": (lambda base, folder: selective_amnesia(base, folder)[0], "checkpoint.two-copies"),
    "a tokenizer of other merges": (other_merges, "checkpoint.other-tokenizer"),
    "a tokenizer of another vocabulary": (other_vocabulary, "checkpoint.other-tokenizer"),
    "a tokenizer with one more word": (added_word, "checkpoint.other-tokenizer"),
    "a tokenizer that fills prompts up with another token": (other_padding, "checkpoint.other-tokenizer"),
    "a vocabulary at the root": (vocabulary_at_the_root, "checkpoint.other-tokenizer"),
    "a text encoder that stops a layer early": (said_in("text_encoder/config.json", num_hidden_layers=1), "checkpoint.wrong-architecture"),
    "a shard that is missing, without an index": (missing_shard, "checkpoint.missing-shard"),
    "two containers that differ": (
        file("x.pt", lambda base: {"params": moved(base.unet), "net": moved(base.unet, seed=4)}),
        "checkpoint.conflicting-tensors",
    ),
    "a key with and without its component": (
        file("x.pt", lambda base: {"unet.conv_in.bias": torch.ones(8), "conv_in.bias": torch.zeros(8)}),
        "checkpoint.conflicting-tensors",
    ),
    "a pickle and safetensors of one name that differ": (
        beside("unet/diffusion_pytorch_model.pt", lambda base: moved(base.unet, seed=4)),
        "checkpoint.conflicting-tensors",
    ),
    "a mask beside the components": (
        file("x.pt", lambda base: {"unet": moved(base.unet), "mask": torch.ones(3)}),
        "checkpoint.wrong-shape",
    ),
    "a second text encoder that the base does not have": (
        file("x.pt", lambda base: {"unet": moved(base.unet), "text_encoder_2": texts(base)}),
        "checkpoint.unknown-component",
    ),
    "a key with a space": (file("x.pt", lambda base: moved(base.unet) | {"conv_in.bias ": torch.ones(8)}), "checkpoint.unknown-keys"),
    "an embedding of an unknown word": (
        beside("learned_embeds.pt", lambda base: {"abracadabra": torch.ones(32)}),
        "embedding.unknown-token",
    ),
    "an embedding of another width": (beside("learned_embeds.pt", lambda base: {"star": torch.ones(768)}), "checkpoint.wrong-shape"),
    "an embedding without its token": (beside("star.pt", lambda base: {"string_to_param": {"*": torch.ones(1, 32)}}), "embedding.no-token"),
    "a table and a dotted key of one name": (
        file("x.pt", lambda base: {"conv_in": {"bias": torch.ones(8)}, "conv_in.bias": torch.zeros(8)}),
        "checkpoint.damaged",
    ),
    "a trainer's name in a component": (
        file("x.pt", lambda base: {"unet.optimizer.bias": torch.ones(8), "unet.conv_in.bias": torch.ones(8)}),
        "checkpoint.unknown-keys",
    ),
    "an SPM without its metadata": (file("spm.pt", lambda base: spm_state(base, 1)), "spm.no-metadata"),
    "SPMs of different α": (spm("spms", 1, "2.0"), "spm.incompatible"),
    "another noise schedule": (file("x.ckpt", schedule_of_another_model), "checkpoint.wrong-architecture"),
    "PEFT without its settings": (lambda base, folder: wrapped_by_peft(base, folder)[0], "lora.no-alpha"),
    "a LoRA of another base": (pissa, "lora.unsupported-update"),
    "an adapter of another kind": (
        file("x.safetensors", lambda base: kohya_state(peft_unet(base)[0]) | {"lora_unet_conv_in.oft_blocks": torch.ones(2, 4, 4)}),
        "lora.unsupported-update",
    ),
    "half a LoKr": (
        file("x.safetensors", lambda base: {f"{KEY}.lokr_w1": torch.ones(2, 2), f"{KEY}.lokr_w2_a": torch.ones(8, 2)}),
        "lora.incomplete",
    ),
    "an eraser of no block": (
        receler(lambda blocks: blocks.update({"up_blocks.9.attentions.0": next(iter(blocks.values()))})),
        "checkpoint.wrong-architecture",
    ),
    "half an eraser": (receler(lambda blocks: next(iter(blocks.values())).pop("up.bias")), "eraser.incomplete"),
    "an eraser of another type": (eraser_of_another_type, "eraser.unsupported"),
    "a pipeline without its VAE": (pipeline_without_vae, "checkpoint.no-weights"),
    "averaged weights alone": (
        file("x.pt", lambda base: {key: value for key, value in ldm_whole(base, moved(base.unet)).items() if key.startswith("model_ema.")}),
        "checkpoint.ema-only",
    ),
    "averaged LoRA": (file("x.pt", lambda base: {"ema": kohya_state(peft_unet(base)[0])}), "checkpoint.conflicting-tensors"),
}
"""What would be evaluated in part: who writes it, and the code."""


@pytest.mark.parametrize("what", PARTIAL)
def test_no_part_is_passed_over(base: StableDiffusionPipeline, tmp_path: Path, what: str) -> None:
    make, code = PARTIAL[what]
    path = make(base, tmp_path)
    with raises(code) as caught:
        apply(base, path)
    assert len(str(caught.value).replace(str(path), "")) < 400 and "\n" not in str(caught.value)


def test_what_is_left_out_is_named(base: StableDiffusionPipeline, tmp_path: Path) -> None:
    root = unet_folder(base, tmp_path)
    unet = root / "unet"
    shutil.copy(unet / "diffusion_pytorch_model.safetensors", unet / "diffusion_pytorch_model.fp16.safetensors")
    write(unet / "diffusion_pytorch_model.bin", {"never": torch.ones(1)})
    write(root / "safety_checker" / "model.safetensors", {"never": torch.ones(1)})
    for name in ("optimizer.bin", "random_states_0.pkl", "unet/flax_model.msgpack", "README.md"):
        (root / name).write_bytes(b"x")
    _, applied = apply(base, root)
    named = {part.partition(":")[0] for part in applied.unused_parts}
    assert named == {
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "unet/diffusion_pytorch_model.bin",
        "safety_checker/model.safetensors",
        "optimizer.bin",
        "random_states_0.pkl",
        "unet/flax_model.msgpack",
    }


def test_added_tokens_are_named(base: StableDiffusionPipeline, tmp_path: Path) -> None:
    path, _ = forget_me_not(base, tmp_path)
    _, applied = apply(base, path)
    assert sum("<s1>" in part for part in applied.unused_parts) >= 2 and any("4 rows" in part for part in applied.unused_parts)


def test_the_copy_that_the_submission_names_is_used(base: StableDiffusionPipeline, tmp_path: Path) -> None:
    path, expected = selective_amnesia(base, tmp_path)
    averaged, applied = apply(base, path, use="ema")
    trained, named = apply(base, path, use="model")
    assert torch.equal(averaged.unet.state_dict()[f"{KEY}.weight"], expected["unet"][f"{KEY}.weight"])
    assert torch.equal(trained.unet.state_dict()[f"{KEY}.weight"], moved(base.unet)[f"{KEY}.weight"])
    assert applied.components != named.components and any("without averaging" in part for part in applied.unused_parts)
    with raises("checkpoint.no-such-copy"):
        apply(base, write(tmp_path / "x.pt", moved(base.unet)), use="ema")


def test_the_embedding_that_ends_every_prompt_is_applied(base: StableDiffusionPipeline, tmp_path: Path) -> None:
    """Its name looks like a placeholder."""
    path = tmp_path / "learned_embeds.safetensors"
    save_file({"<|endoftext|>": torch.ones(32)}, path)
    pipe, applied = apply(base, path)
    rows = pipe.text_encoder.get_input_embeddings().weight
    assert torch.equal(rows[base.tokenizer.eos_token_id], torch.ones(32)) and applied.components["text_encoder"].changed == 1
    save_file({"<s1>": torch.ones(32)}, path)
    with raises("checkpoint.no-weights"):
        apply(base, path)


def test_what_may_be_an_spm_passes_where_the_submission_calls_it_a_lora(base: StableDiffusionPipeline, tmp_path: Path) -> None:
    assert apply(base, write(tmp_path / "spm.pt", spm_state(base, 1)), format="lora")[1].format == "lora"


def test_a_number_for_alpha_counts(base: StableDiffusionPipeline, tmp_path: Path) -> None:
    state = {f"{KEY}.lora_down.weight": torch.ones(2, 32), f"{KEY}.lora_up.weight": torch.ones(16, 2), f"{KEY}.alpha": 6.0}
    pipe, _ = apply(base, write(tmp_path / "x.pt", state))
    before = base.unet.state_dict()[f"{KEY}.weight"]
    assert torch.allclose(pipe.unet.state_dict()[f"{KEY}.weight"], before + 6 / 2 * 2 * torch.ones(16, 32), atol=1e-5)


def test_scale_needs_updates(base: StableDiffusionPipeline, tmp_path: Path) -> None:
    with raises("checkpoint.no-scale"):
        apply(base, write(tmp_path / "x.pt", moved(base.unet)), scale=2.0)


@pytest.mark.parametrize(("name", "warned"), [("difference", 1), ("other", 1), ("weights", 0)])
def test_weights_far_from_the_base_are_warned_of(base: StableDiffusionPipeline, tmp_path: Path, name: str, warned: int) -> None:
    own = {key: value for key, value in base.unet.state_dict().items() if "attn2" in key}
    small = {
        key: 0.05 * torch.randn(value.shape, generator=torch.Generator().manual_seed(1)) * value.abs().mean() for key, value in own.items()
    }
    trained = tiny_pipeline(tmp_path / "other", seed=5).unet.state_dict()
    states = {"difference": small, "other": {key: trained[key] for key in own}, "weights": {key: own[key] + small[key] for key in own}}
    _, applied = apply(base, write(tmp_path / "x.pt", states[name]))
    assert len(applied.warnings) == warned
    if warned:
        change = (
            torch.cat([(states[name][key] - own[key]).flatten() for key in own]).norm()
            / torch.cat([v.flatten() for v in own.values()]).norm()
        )
        assert f"{float(change):.3g}" in applied.warnings[0]


def test_the_record_names_formats_and_prefixes(base: StableDiffusionPipeline, tmp_path: Path) -> None:
    path = write(tmp_path / "x.ckpt", {"state_dict": {f"model.diffusion_model.{key}": value for key, value in moved(base.unet).items()}})
    assert apply(base, path)[1].files["x.ckpt"].model_dump() == {
        "formats": ("state-dict",),
        "prefixes": ("state_dict.model.diffusion_model.",),
    }
