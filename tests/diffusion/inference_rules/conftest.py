from __future__ import annotations

import pytest
from diffusers import StableDiffusionPipeline

from diffusion.pairs import listening
from pipelines import tiny_pipeline


@pytest.fixture(scope="package")
def pipe(tmp_path_factory: pytest.TempPathFactory) -> StableDiffusionPipeline:
    return listening(tiny_pipeline(tmp_path_factory.mktemp("ruled"), 0))
