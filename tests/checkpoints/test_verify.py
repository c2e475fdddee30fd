"""What is measured of tensors, against NumPy in double precision: tensors longer than a piece, tiny changes, other precisions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from codes import raises
from unconceal.checkpoints.verify import PIECE, squared, verify_component

SHAPE = (3, PIECE // 2 + 7)


def base() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {"a": torch.randn(SHAPE, generator=generator), "b": torch.randn(5, generator=generator)}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_the_relative_change(dtype: torch.dtype) -> None:
    old = base()
    new = {"a": (old["a"] + 0.1 * torch.randn(SHAPE, generator=torch.Generator().manual_seed(1))).to(dtype)}
    record = verify_component("unet", old, new, "x").record
    a, b, changed = (tensor.double().numpy() for tensor in (old["a"], old["b"], new["a"]))
    expected = np.linalg.norm(changed - a) / np.sqrt(np.linalg.norm(a) ** 2 + np.linalg.norm(b) ** 2)
    assert record.relative_change == pytest.approx(float(expected), rel=1e-5)
    assert (record.matched, record.missing, record.changed) == (1, 1, 1)
    assert squared(old["a"]) == pytest.approx(float(np.linalg.norm(a) ** 2), rel=1e-5)


def test_a_change_whose_square_vanishes_is_a_change() -> None:
    old = {"a": torch.zeros(SHAPE)}
    new = {"a": torch.zeros(SHAPE).index_fill_(0, torch.tensor(2), 1e-30)}
    record = verify_component("unet", old, new, "x").record
    assert record.changed == 1 and verify_component("unet", old, old, "x").record.changed == 0


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_one_element_that_is_no_number_is_found_in_any_piece(value: float) -> None:
    for row, column in ((0, 0), (1, 3), (2, SHAPE[1] - 1)):
        new = base()["a"]
        new[row, column] = value
        with raises("checkpoint.not-finite"):
            verify_component("unet", base(), {"a": new}, "x")


def test_large_numbers_are_finite() -> None:
    """Their squares overflow in float32."""
    record = verify_component("unet", base(), {"a": torch.full(SHAPE, 1e25)}, "x").record
    assert record.changed == 1 and record.relative_change == pytest.approx(
        1e25 * np.sqrt(np.prod(SHAPE)) / np.sqrt(np.prod(SHAPE)), rel=0.01
    )
