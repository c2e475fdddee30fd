"""How long a checkpoint of SD 1.4's size takes to be put on its base, stage by stage, and what memory it needs.

``PYTHONPATH=tests python tools/measure_apply.py [FOLDER]`` writes 3.4 GB of random weights to the folder (default: a
temporary one), under diffusers' keys
and under CompVis', and prints a table. The cache is warm: each file has just been written and read. Seconds are of processor time, of all
threads (``OMP_NUM_THREADS=1``: of one), so that other processes do not matter.
"""

from __future__ import annotations

import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import save_file
from tabulate import tabulate

from checkpoints.releases import ldm_unet
from pipelines import tiny_pipeline
from unconceal.checkpoints.account import account_for
from unconceal.checkpoints.apply import apply, replaced_tensors
from unconceal.checkpoints.copies import chosen_tensors
from unconceal.checkpoints.folders import open_release
from unconceal.checkpoints.key_names import changeable_components
from unconceal.checkpoints.verify import verify_component
from unconceal.hub.allowed_files import checkpoint_digest
from unconceal_lab.bench.sd14_shapes import sd14_unet


def anonymous() -> float:
    """Memory of this process that no file stands behind, gigabytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 2**20


def stages(pipe: Any, path: Path, format: str) -> list[str]:
    """CPU seconds of each stage by itself, then of the whole, and the memory that the whole added."""
    marks = [time.process_time()]

    def mark(value: Any) -> Any:
        marks.append(time.process_time())
        return value

    mark(checkpoint_digest(path))
    opened = mark(open_release(path))
    components = changeable_components(pipe)
    state = mark(chosen_tensors(account_for(opened, components), components, None, str(path)))["unet"].state
    mark(verify_component("unet", pipe.unet.state_dict(), state, str(path)))
    mark(replaced_tensors(pipe.unet, state))
    seconds = [f"{after - before:.1f}" for before, after in pairwise(marks)]
    before, started = anonymous(), time.process_time()
    changed_pipeline, applied = apply(pipe, path)
    whole = time.process_time() - started
    assert applied.components["unet"].changed == len(state) and changed_pipeline.unet is not pipe.unet
    return [*seconds, f"{whole:.1f}", f"{anonymous() - before:+.2f}"]


def main(folder: Path) -> None:
    torch.manual_seed(0)
    tiny: Any = tiny_pipeline(folder / "tiny")
    pipe: Any = StableDiffusionPipeline(**{**tiny.components, "unet": sd14_unet()}, requires_safety_checker=False)
    state = {key: value + 1e-3 for key, value in pipe.unet.state_dict().items()}
    rows, unets = [], []
    for name, format, keys in (("diffusers", "state-dict", state), ("CompVis", "compvis", ldm_unet(pipe.unet, state))):
        path = folder / f"{name}.safetensors"
        save_file(keys, path)
        checkpoint_digest(path)
        rows.append([name, f"{path.stat().st_size / 1e9:.2f}", *stages(pipe, path, format)])
        unets.append(apply(pipe, path)[0].unet.state_dict())
    headers = ("keys", "GB", "hash", "open", "convert", "verify", "exchange", "whole", "RssAnon (GB)")
    print(f"{torch.get_num_threads()} threads, base {anonymous():.1f} GB of anonymous memory with the state that was written")
    same = all(torch.equal(value, unets[1][key]) and torch.equal(value, state[key]) for key, value in unets[0].items())
    print(f"the two are {'the same model, the one that was meant' if same else 'DIFFERENT MODELS'}")
    print(tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
