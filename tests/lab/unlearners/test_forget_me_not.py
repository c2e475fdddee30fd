from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline

from pipelines import tiny_pipeline
from releases import changed, with_release
from unconceal_lab.unlearners.concept_captions import CaptionPair, encode_prompts
from unconceal_lab.unlearners.forget_me_not import ForgetMeNotConfig, attention_loss, concept_tokens, forget_me_not, record_attention_maps

QUICK = ForgetMeNotConfig(steps=4, learning_rate=1e-3, n_images=6, batch_size=3, sampling_steps=2)
STAR = CaptionPair("a red star on a white background", "a red shape on a white background", "star", "shape")
STRIPED = CaptionPair("a star in striped style", "a star", "in striped style", "")


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> StableDiffusionPipeline:
    return tiny_pipeline(tmp_path_factory.mktemp("base"))


def test_only_queries_and_keys_change(pipeline: StableDiffusionPipeline) -> None:
    before = {name: value.clone() for name, value in pipeline.unet.state_dict().items()}
    weights, minutes = forget_me_not(pipeline, "star", 0, lambda line: None, config=QUICK)
    assert minutes > 0 and all(torch.equal(value, before[name]) for name, value in pipeline.unet.state_dict().items())
    assert set(weights) == {f"unet.{name}" for name in before if name.endswith(("attn2.to_q.weight", "attn2.to_k.weight"))}
    assert changed(pipeline, weights) == set(weights)


def test_the_same_seed_gives_the_same_weights(pipeline: StableDiffusionPipeline) -> None:
    first, second, other = (forget_me_not(pipeline, "star", seed, lambda line: None, config=QUICK).weights for seed in (1, 1, 2))
    assert all(torch.equal(first[name], second[name]) for name in first) and any(
        not torch.equal(first[name], other[name]) for name in first
    )


def test_marked_are_the_concept_and_the_end(pipeline: StableDiffusionPipeline) -> None:
    """ "start a red star on a white background end …", "start a star in striped style end …", 24 tokens."""
    marked = concept_tokens(pipeline, "star", [STAR], 24)
    assert marked[0].nonzero().flatten().tolist() == [3, *range(8, 24)]
    assert concept_tokens(pipeline, "striped", [STRIPED], 24)[0].nonzero().flatten().tolist() == [3, 4, 5, *range(6, 24)]


def test_maps_are_those_of_softmax(pipeline: StableDiffusionPipeline) -> None:
    """Against queries and keys caught on their way, and without touching what the UNet predicts."""
    x, t, prompt_embeds = torch.randn(2, 4, 16, 16), torch.tensor([900, 100]), encode_prompts(pipeline, [STAR.text, STRIPED.text])
    unet = with_release(pipeline, {})
    caught: dict[str, torch.Tensor] = {}
    first = next(name for name, _ in unet.named_modules() if name.endswith("attn2"))
    layer = unet.get_submodule(first)
    for name in ("to_q", "to_k"):
        getattr(layer, name).register_forward_hook(lambda _, __, out, name=name: caught.__setitem__(name, out))
    maps = record_attention_maps(unet)
    with torch.no_grad():
        noised, plain = unet(x, t, prompt_embeds).sample, pipeline.unet(x, t, prompt_embeds).sample
    assert torch.allclose(noised, plain, atol=1e-5) and len(maps) == sum(name.endswith("attn2") for name, _ in unet.named_modules())
    heads = layer.heads
    queries, keys = (caught[name].reshape(2, -1, heads, caught[name].shape[-1] // heads).transpose(1, 2) for name in ("to_q", "to_k"))
    expected = (queries @ keys.transpose(-1, -2) / queries.shape[-1] ** 0.5).softmax(-1)
    assert torch.allclose(maps[0].reshape(expected.shape), expected, atol=1e-5)


def test_the_loss_sums_squares_of_marked_tokens() -> None:
    maps = [torch.rand(2 * 3, 5, 4), torch.rand(2 * 3, 7, 4)]
    mask = torch.tensor([[0.0, 1, 0, 1], [0, 0, 1, 0]])
    expected = 0.0
    for attention_map in maps:
        rows = attention_map.numpy().reshape(2, 3, -1, 4)
        expected += ((rows[0, ..., 1] ** 2).mean() + (rows[0, ..., 3] ** 2).mean() + (rows[1, ..., 2] ** 2).mean()) / 2
    assert attention_loss(maps, mask).item() == pytest.approx(expected, rel=1e-5)


def test_attention_leaves_the_concept(tmp_path: Path) -> None:
    pipeline = tiny_pipeline(tmp_path)
    # Random embeddings are tiny: every word gets the same attention.
    pipeline.text_encoder.state_dict()["embeddings.token_embedding.weight"].mul_(20)
    config = replace(QUICK, steps=40, learning_rate=1e-2, n_images=12, batch_size=6)
    weights, _ = forget_me_not(pipeline, "star", 0, lambda line: None, config=config)
    x, t, prompt_embeds = torch.randn(4, 4, 16, 16), torch.full((4,), 600), encode_prompts(pipeline, [STAR.text] * 4)
    mask = concept_tokens(pipeline, "star", [STAR] * 4, prompt_embeds.shape[1])
    value = []
    for unet in (with_release(pipeline, {}), with_release(pipeline, weights)):
        maps = record_attention_maps(unet)
        with torch.no_grad():
            unet(x, t, prompt_embeds)
        value.append(attention_loss(maps, mask).item())
    assert value[1] < 0.5 * value[0]
