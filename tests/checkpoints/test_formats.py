"""Every format that methods release: found for what it is, put on the base, verified, and equal to what was meant."""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from diffusers import StableDiffusionPipeline
from tabulate import tabulate
from torch import Tensor

from checkpoints.adapters import ADAPTERS
from checkpoints.containers import CONTAINERS, FLUX_CONTAINERS, Row
from checkpoints.releases import FLUX, MAKERS, another, ldm_unet, ldm_whole, lora_kohya, moved, spm, write
from codes import raises
from pipelines import tiny_flux, tiny_pipeline
from unconceal.checkpoints.account import FILTERED
from unconceal.checkpoints.apply import apply, detect
from unconceal.checkpoints.erasers import ERASER
from unconceal.checkpoints.key_names import changeable_components
from unconceal.paths import SOURCE_TREE
from unconceal_lab.bench.sd14_shapes import sd14_unet


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> StableDiffusionPipeline:
    return tiny_pipeline(tmp_path_factory.mktemp("base"))


RELEASES: dict[str, Row] = {what: (*row, {}) for what, row in MAKERS.items()} | CONTAINERS | ADAPTERS
FLUX_RELEASES: dict[str, Row] = {what: (*row, {}) for what, row in FLUX.items()} | FLUX_CONTAINERS


@pytest.fixture(scope="module")
def table(base: StableDiffusionPipeline, tmp_path_factory: pytest.TempPathFactory) -> dict[str, FormatRow]:
    """What became of each release."""
    flux = tiny_flux()
    rows = [(what, base, row) for what, row in RELEASES.items()] + [(what, flux, row) for what, row in FLUX_RELEASES.items()]
    return {what: format_row(on, row, tmp_path_factory.mktemp("release")) for what, on, row in rows}


class FormatRow(NamedTuple):
    """A line of the table in docs/reference/checkpoints.md."""

    format: str
    detected: bool
    applied: bool
    verified: bool
    equal: bool


def format_row(base: Any, row: Row, folder: Path) -> FormatRow:
    """Write a release, put it on the base, and look at every tensor of every component."""
    format, make, options = row
    path, expected = make(base, folder)
    before = {name: {key: value.clone() for key, value in part.state_dict().items()} for name, part in changeable_components(base).items()}
    detected = detect(path, base) == format
    pipe, applied = apply(base, path, **options)
    states = {name: {key: expected.get(name, {}).get(key, value) for key, value in state.items()} for name, state in before.items()}
    changed = {name: record.changed for name, record in applied.components.items() if record.changed}
    meant = {name: len(state) for name, state in expected.items()}
    if applied.spm is not None:
        meant = {applied.spm.component: len(applied.spm.modules)}
    if format == "eraser":
        meant = {"unet": applied.components["unet"].matched}
    return FormatRow(
        format,
        detected,
        applied=applied.format == format and applied.sha256 is not None,
        verified=changed == meant and all(record.relative_change > 0 for name, record in applied.components.items() if name in changed),
        equal=all(close(changeable_components(pipe)[name].state_dict(), state) for name, state in states.items())
        and all(close(changeable_components(base)[name].state_dict(), state, exactly=True) for name, state in before.items()),
    )


def close(state: dict[str, Tensor], expected: dict[str, Tensor], exactly: bool = False) -> bool:
    same = torch.equal if exactly else partial(torch.allclose, atol=1e-5)
    return all(same(value, expected[key]) for key, value in state.items() if f".{ERASER}." not in key)


@pytest.mark.parametrize("what", [*RELEASES, *FLUX_RELEASES])
def test_a_release_loads_as_the_expected_model(table: dict[str, FormatRow], what: str) -> None:
    assert all(table[what]), table[what]


def test_the_documented_table_is_current(table: dict[str, FormatRow]) -> None:
    """``WRITE_DOCS=1 pytest tests/checkpoints/test_formats.py`` writes it."""
    page = SOURCE_TREE / "docs/reference/checkpoints.md"
    rows = [[what, f"`{line.format}`", *("yes" if good else "NO" for good in line[1:])] for what, line in table.items()]
    lines = tabulate(rows, headers=("released as", "format", "detected", "applied", "verified", "equal"), tablefmt="github")
    before, start, rest = page.read_text(encoding="utf-8").partition("<!-- formats: written by tests/checkpoints/test_formats.py -->\n")
    _, end, after = rest.partition("<!-- /formats -->")
    text = f"{before}{start}{lines}\n{end}{after}"
    if os.environ.get("WRITE_DOCS"):
        page.write_text(text, encoding="utf-8")
    assert start and end and page.read_text(encoding="utf-8") == text


def test_the_averaged_copy_is_left_out_and_named(base: StableDiffusionPipeline, tmp_path: Path) -> None:
    whole = ldm_whole(base, moved(base.unet))
    _, applied = apply(base, write(tmp_path / "compvis.pt", whole))
    assert any("EMA" in message for message in applied.unused_parts)
    alone = {key: value for key, value in whole.items() if key.startswith("model_ema.")}
    with raises("checkpoint.ema-only"):
        apply(base, write(tmp_path / "ema.pt", alone))
    with raises("checkpoint.no-change"):
        apply(base, write(tmp_path / "untouched.pt", ldm_whole(base, base.unet.state_dict())))


def test_a_safety_checker_is_no_unlearning(base: StableDiffusionPipeline, tmp_path: Path) -> None:
    """Never loaded and named beside real changes; a release of nothing else is refused."""
    changed = StableDiffusionPipeline(**{**base.components, "unet": another(base.unet)[0]}, requires_safety_checker=False)
    for name, pipe in {"filtered": base, "unlearned": changed}.items():
        pipe.save_pretrained(tmp_path / name)
        index = json.loads((tmp_path / name / "model_index.json").read_text())
        index["safety_checker"] = ["stable_diffusion", "StableDiffusionSafetyChecker"]
        (tmp_path / name / "model_index.json").write_text(json.dumps(index))
        (tmp_path / name / "safety_checker").mkdir()
        (tmp_path / name / "safety_checker" / "pytorch_model.bin").write_bytes(b"never read")
    with raises("checkpoint.no-change"):
        apply(base, tmp_path / "filtered")
    unlearned, applied = apply(base, tmp_path / "unlearned")
    assert any(FILTERED in part for part in applied.unused_parts) and unlearned.safety_checker is None


@pytest.mark.parametrize(
    ("key", "code"),
    [
        ("model.diffusion_model.input_blocks.9.0.in_layers.0.weight", "checkpoint.wrong-architecture"),
        ("control_model.input_blocks.0.0.weight", "checkpoint.unknown-keys"),
    ],
)
def test_latent_diffusion_keys_of_another_model_are_refused(base: StableDiffusionPipeline, tmp_path: Path, key: str, code: str) -> None:
    state = ldm_unet(base.unet, moved(base.unet)) | {key: torch.ones(8)}
    with raises(code):
        apply(base, write(tmp_path / "x.pt", state))


@pytest.mark.slow
def test_a_unet_of_the_size_of_sd_14_converts_identically() -> None:
    """Under the original code's keys and under diffusers': the same model. Tensors of one element each: only names are at stake."""
    from unconceal.checkpoints.formats import compvis

    with torch.device("meta"):
        unet = sd14_unet()
    state = {key: torch.full((1,), float(number)) for number, key in enumerate(unet.state_dict())}
    assert len(state) == 686, "as many tensors as SD 1.4's UNet has"
    converted = compvis._unet({key.removeprefix("model.diffusion_model."): value for key, value in ldm_unet(unet, state).items()}, unet)
    assert converted == state or {key: float(value) for key, value in converted.items()} == {
        key: float(value) for key, value in state.items()
    }


def test_a_low_rank_update_of_another_architecture_is_refused(base: StableDiffusionPipeline, tmp_path: Path) -> None:
    module = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"
    good = {f"{module}.lora_down.weight": torch.ones(2, 32), f"{module}.lora_up.weight": torch.ones(16, 2)}
    apply(base, write(tmp_path / "good.safetensors", good))
    for name, state, code in (
        ("wide", good | {f"{module}.lora_down.weight": torch.ones(2, 768)}, "checkpoint.wrong-shape"),
        ("deep", {key.replace("blocks_1", "blocks_7"): value for key, value in good.items()}, "checkpoint.wrong-architecture"),
        ("half", dict([next(iter(good.items()))]), "lora.incomplete"),
        ("oft", good | {f"{module}.oft_blocks": torch.ones(16)}, "lora.unsupported-update"),
        ("nan", good | {f"{module}.lora_up.weight": torch.full((16, 2), float("nan"))}, "checkpoint.not-finite"),
        ("alpha", good | {f"{module}.alpha": torch.ones(3)}, "lora.bad-alpha"),
        ("zero", good | {f"{module}.lora_up.weight": torch.zeros(16, 2)}, "checkpoint.no-change"),
    ):
        with raises(code):
            apply(base, write(tmp_path / f"{name}.safetensors", state))


def test_a_second_text_encoder_is_named_by_the_submission(base: StableDiffusionPipeline, tmp_path: Path) -> None:
    state = moved(base.text_encoder)
    path = write(tmp_path / "x.safetensors", state)
    with raises("checkpoint.unknown-component"):
        apply(base, path, component="text_encoder_2")
    assert apply(base, path, component="text_encoder")[1].components["text_encoder"].changed == len(state)
    both = write(tmp_path / "both.bin", {"unet": moved(base.unet, "attn2"), "text_encoder": state})
    with raises("checkpoint.wrong-component"):
        apply(base, both, component="vae")


def test_an_spm_is_no_plain_lora(base: StableDiffusionPipeline, tmp_path: Path) -> None:
    plain, _ = lora_kohya(base, tmp_path)
    prompted, _ = spm(base, tmp_path)
    assert (detect(plain, base), detect(prompted, base)) == ("lora", "spm")
    _, applied = apply(base, prompted)
    assert applied.spm is not None and applied.spm.membranes[0].prompts == ("star", "five-pointed figure")
    with raises("checkpoint.wrong-format"):
        apply(base, prompted, format="lora")
