"""The page of a first look: one file, with its images inside."""

from __future__ import annotations

import io
from base64 import b64encode
from dataclasses import dataclass

import numpy as np
from PIL import Image

from unconceal.diffusion.handover import Arm
from unconceal.first_look.first_look import PSI, SEED, WINDOW, FirstLook
from unconceal.first_look.look_result import SUMMARIES
from unconceal.generate.identity import image_seed
from unconceal.generate.image_cache import Pixels
from unconceal.site.control_curves import curve_band
from unconceal.site.image_blocks import PromptBlock, StripView, TileRow
from unconceal.site.rendering import render
from unconceal.site.svg_charts import TitledChart, curve_chart
from unconceal.specs.suite import DECIDING_ARMS

N_SHOWN = 4
"""Prompts whose images are shown."""
TILE = 96
"""Side of an image on the page, in pixels."""
ROLES = {"original": "original", "gold": "gold", "unlearned": "own"}
TITLES: dict[Arm, str] = {"prompt": "Prompt arm", "empty": "Empty arm"}


@dataclass(frozen=True)
class LookPart:
    """What the template of strips needs."""

    strips: StripView
    anchor: str = "look"
    blurred: bool = False


def look_page(look: FirstLook) -> str:
    """The page's HTML."""
    judge = look.result.judge
    reliability = (
        ("the concept: seen in", judge.with_concept),
        ("others: the concept seen in", judge.without_concept),
        ("others: named rightly in", judge.retained),
    )
    return render(
        "first_look.html.j2",
        look=look.result,
        summary=SUMMARIES[look.result.conclusion],
        n_prompts=len(look.prompts),
        reliability=reliability,
        part=LookPart(strip_view(look)),
        charts=charts(look),
        root="",
        standalone=True,
    )


def charts(look: FirstLook) -> list[TitledChart]:
    """P(ψ) of θ*, θ and the gold, one chart for each arm."""
    result, drawn = look.result, []
    for arm, title in TITLES.items():
        band = curve_band([result.curve("gold", arm)]) if "gold" in result.curves else None
        window = WINDOW if result.gold else None
        chart = curve_chart(result.curve("unlearned", arm), band, result.curve("original", arm), f"{title}: presence over ψ", window)
        drawn.append(TitledChart(title, chart))
    return drawn


def strip_view(look: FirstLook) -> StripView:
    """A sheet of tiles for each model: a row for each prompt and arm, a column for each ψ."""
    prompts, n_rows = look.prompts[:N_SHOWN], min(N_SHOWN, len(look.prompts)) * len(DECIDING_ARMS)
    models = [name for name in ROLES if name in look.images]
    urls = {ROLES[name]: sheet_url(look.images[name], len(prompts)) for name in models}

    def rows(prompt: int, arm: int) -> tuple[TileRow, ...]:
        return tuple(TileRow(ROLES[name], "the checkpoint", prompt * len(DECIDING_ARMS) + arm, n_rows, len(PSI)) for name in models)

    blocks = [
        PromptBlock(text, image_seed(SEED, text, 0), {name: rows(i, j) for j, name in enumerate(DECIDING_ARMS)}, ())
        for i, text in enumerate(prompts)
    ]
    return StripView(PSI, urls, tuple(blocks))


def sheet_url(images: dict[Arm, Pixels], n_prompts: int) -> str:
    """The images of the first prompts as one picture inside the page."""
    strips = [
        np.concatenate([shrunk(tile) for tile in images[arm][prompt]], axis=1) for prompt in range(n_prompts) for arm in DECIDING_ARMS
    ]
    buffer = io.BytesIO()
    Image.fromarray(np.concatenate(strips)).save(buffer, "WEBP", quality=85)
    return f"data:image/webp;base64,{b64encode(buffer.getvalue()).decode()}"


def shrunk(tile: Pixels) -> Pixels:
    """An image at the page's size."""
    return np.asarray(Image.fromarray(tile).resize((TILE, TILE), Image.Resampling.LANCZOS))
