"""Base models of which suites may be made, in one table (no torch).

The commits were seen in public use. ``gated``: the Hub asks for acceptance of terms. ``gigabytes``: about what an evaluation downloads,
by the components' parameters at the precision that the repository stores (float32; FLUX bfloat16).
"""

from __future__ import annotations

from typing import NamedTuple

from unconceal.specs.suite import FamilyName


class BaseModelInfo(NamedTuple):
    family: FamilyName
    repo: str
    revision: str
    prediction: str
    pixels: int
    license: str
    gated: bool
    gigabytes: float
    latent_numbers: int
    """Elements of one image's latents."""
    teraflop: float
    """Per forward pass at that size; a multiply and an add count as two. Counted by torch on the architecture."""


RAIL, RAIL_PP, NC = "CreativeML OpenRAIL-M", "CreativeML OpenRAIL++-M", "FLUX.1 [dev] Non-Commercial"
SD14, SD21 = "133a221b8aa7292a167afc5127cb63fb5005638b", "5ede9e4bf3e3fd1cb0ef2f7a3fff13ee514fdf06"
XL, DEV = "462165984030d82259a11f4367a4eed129e94a7b", "3de623fc3c33e44ffbe2bad470d0f45bccf2eb21"
SCHNELL = "741f7c3ce8b383c54771c7003378a50191e9efe9"
BASE_MODELS: tuple[BaseModelInfo, ...] = (
    BaseModelInfo("stable-diffusion", "CompVis/stable-diffusion-v1-4", SD14, "ε", 512, RAIL, False, 4.3, 4 * 64**2, 0.803),
    BaseModelInfo("stable-diffusion", "stabilityai/stable-diffusion-2-1-base", SD21, "ε", 512, RAIL_PP, False, 5.2, 4 * 64**2, 0.804),
    BaseModelInfo("stable-diffusion-xl", "stabilityai/stable-diffusion-xl-base-1.0", XL, "ε", 1024, RAIL_PP, False, 13.9, 4 * 128**2, 6.76),
    BaseModelInfo("flux", "black-forest-labs/FLUX.1-dev", DEV, "velocity", 1024, NC, True, 33.7, 64 * 64**2, 74.4),
    BaseModelInfo("flux", "black-forest-labs/FLUX.1-schnell", SCHNELL, "velocity", 1024, "Apache-2.0", True, 33.7, 64 * 64**2, 74.4),
)
