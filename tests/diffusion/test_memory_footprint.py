"""What lives at once, against tensors counted by hand; and parts of a model that share a small place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from diffusion.pairs import GUIDANCE, STEPS, trio
from unconceal.diffusion.families.stable_diffusion import StableDiffusion
from unconceal.diffusion.handover import hand_over, run_original
from unconceal.diffusion.memory_footprint import PeakMemory, denoiser_activation_bytes, vae_activation_bytes, weight_bytes
from unconceal.diffusion.offload import Offloader


def test_living_counts_what_lives_at_once() -> None:
    with PeakMemory() as living:
        item = torch.zeros(1000, device="meta")  # 4000 bytes
        two = item + 1  # 8000
        view = two.view(10, 100)  # the same storage
        del item  # 4000
        three = view.to(torch.float16)  # 6000
        del two, view
        four = torch.cat([three, three, three])  # 2000 + 6000
    assert living.peak == 8000 and living.current == 8000 and len(four) == 30


def test_half_the_precision_takes_half(tmp_path: Path) -> None:
    pipe = trio(tmp_path)["original"]
    unet, vae = pipe.unet, pipe.vae
    assert weight_bytes(unet, torch.float32) == 4 * sum(p.numel() for p in unet.parameters())
    for measured in (denoiser_activation_bytes(unet.config, 16, torch.float32), vae_activation_bytes(vae.config, 16, torch.float32)):
        assert measured > 4 * 4 * 16 * 16
    assert denoiser_activation_bytes(unet.config, 16, torch.bfloat16) < 0.7 * denoiser_activation_bytes(unet.config, 16, torch.float32)
    assert 3.5 < vae_activation_bytes(vae.config, 32, torch.float32) / vae_activation_bytes(vae.config, 16, torch.float32) < 4.5


class Small(Offloader):
    """A place of the processor's that holds so many parameters, and notes what comes."""

    room, came = 0, 0

    def to_device(self, components: object) -> None:
        super().to_device(components)  # type: ignore[arg-type]
        taken = sum(p.numel() for part in self.resident for p in part.parameters())
        assert taken <= self.room, f"{taken} parameters in a place for {self.room}"
        self.came += 1


def test_a_handover_needs_room_for_its_largest_part_alone(tmp_path: Path) -> None:
    """θ and θ* of different UNets, text encoders and VAEs in a place for one UNet; the pictures are those of the whole."""
    pipes = trio(tmp_path)
    plain = [StableDiffusion(pipes[name], STEPS, GUIDANCE) for name in ("original", "unet")]
    position = Small(torch.device("cpu"))
    parts = (pipes["unet"].unet, pipes["unet"].text_encoder, pipes["unet"].vae)
    position.room = max(sum(p.numel() for p in part.parameters()) for part in parts)
    staged = [StableDiffusion(pipes[name], STEPS, GUIDANCE, offloader=position) for name in ("original", "unet")]
    noise = []
    for original, unlearned in (plain, staged):
        latents = run_original(original, ["a red star"], [7], (0, 3)).latents
        finished, _ = hand_over(unlearned, original, ["a red star"], latents, ("prompt", "empty"))
        noise.append(np.concatenate([original.decode(x) for x in finished.values()]))
    np.testing.assert_array_equal(noise[0], noise[1])
    assert position.came > 4 and staged[0].device == torch.device("cpu")


def test_a_modules_weights_are_not_what_lives() -> None:
    layer = torch.nn.Linear(1000, 10, bias=False, device="meta")
    with torch.no_grad(), PeakMemory(layer) as living:
        layer(torch.zeros(2, 1000, device="meta"))  # 8000 bytes in, 80 out
    assert living.peak == 8080
