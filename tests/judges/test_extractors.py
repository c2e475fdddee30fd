from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from codes import raises
from unconceal.judges import extractors


def test_prepare_by_hand() -> None:
    pixels = np.asarray([[[[0, 51, 255]]]], np.uint8)
    np.testing.assert_allclose(extractors.prepare(pixels)[0, :, 0, 0], [-1, -0.6, 1], atol=1e-6)
    observed = extractors.prepare(pixels, extractors.IMAGENET)
    assert observed.shape == (1, 3, 256, 256)
    np.testing.assert_allclose(observed[0, :, 9, 9], [(0 - 0.485) / 0.229, (0.2 - 0.456) / 0.224, (1 - 0.406) / 0.225], rtol=1e-5)


def test_features_are_the_unit_pooled_output_whatever_the_batch(resnet_weights: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3)).astype(np.uint8)
    extractor = extractors.load("resnet18", resnet_weights)
    plain: Any = timm.create_model("resnet18", num_classes=10)
    plain.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in load_file(resnet_weights).items()}, strict=False)
    with torch.inference_mode():
        x = torch.from_numpy(pixels).permute(0, 3, 1, 2) / 127.5 - 1
        expected = plain.eval().forward_head(plain.forward_features(x), pre_logits=True)
    np.testing.assert_allclose(extractors.pooled_features(extractor, pixels, batch_size=2), expected, atol=1e-4)
    features = extractors.normalized_features(extractor, pixels)
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, rtol=1e-5)
    assert features.shape == (5, extractor.width) and features.dtype == np.float32
    assert extractors.normalized_features(extractor, pixels[:0]).shape == (0, 512)


def test_saved_kernels_are_half_precision_and_loaded_single(resnet_weights: Path) -> None:
    assert load_file(resnet_weights)["conv1.weight"].dtype == torch.float16
    assert all(p.dtype == torch.float32 for p in extractors.load("resnet18", resnet_weights).parameters())


def test_refusals(resnet_weights: Path, tmp_path: Path) -> None:
    with raises("extractor.unknown"):
        extractors.load("vgg", None)
    with raises("extractor.wrong-weights"):
        extractors.load("densenet121", resnet_weights)
    with raises("extractor.missing"):
        extractors.load("resnet18", tmp_path / "missing.safetensors")
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"not safetensors")
    with raises("extractor.wrong-weights"):
        extractors.load("resnet18", broken)


def test_the_hub_out_of_reach_is_the_environments_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise ConnectionError("no route")

    monkeypatch.setattr(timm, "create_model", unreachable)
    with raises("hub.not-reached"):
        extractors.load("resnet18", None)


@pytest.mark.parametrize("name", extractors.EXTRACTOR_NAMES)
def test_published_weights_are_seen_as_imagenet_is(name: str, tmp_path: Path) -> None:
    """timm's own file holds the classifier; without it the features are those of the same backbone, at ImageNet's size and colours."""

    torch.manual_seed(0)
    whole: Any = timm.create_model(name, num_classes=1000).eval()
    save_file({key: value.contiguous() for key, value in whole.state_dict().items()}, tmp_path / "model.safetensors")
    loaded = extractors.load(name, tmp_path / "model.safetensors")
    assert loaded.preprocessing == extractors.IMAGENET
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = whole.forward_head(whole.forward_features(x), pre_logits=True)
        assert torch.allclose(loaded(x), expected, atol=1e-5)
