"""Where synthesis may run in half precision.

Only the generator does: its convolutions take most of the time, and losses need the digits (the P-norm divides by
deviations of 1e-4).  Styles, demodulation and the RGB sum stay float32.  bfloat16 moves the pictures of a 1024 px
generator by 0.9/255 on average, float16 by 0.1/255.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch

EARLY = 0.8
"""Share of an optimization's iterations in half precision; the last ones decide on details."""
LEAST_SIZE = 512
"""px: the time of smaller generators does not go into convolutions."""

_allowed: ContextVar[bool] = ContextVar("half precision is allowed", default=False)


def half_type(device: torch.device, gradients: bool) -> torch.dtype | None:
    """The half precision that is fast on a device; None where there is none.

    bfloat16 where the hardware has it.  float16 on older GPUs (T4), but not for gradients, which would underflow
    in it.
    """
    if device.type == "cuda":
        if torch.cuda.get_device_capability(device) >= (8, 0):
            return torch.bfloat16
        return None if gradients else torch.float16
    if device.type == "cpu" and torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return torch.bfloat16
    return None


@contextmanager
def half_precision(allowed: bool = True) -> Iterator[None]:
    """Allow synthesis in half precision; results are synthesized outside of it."""
    token = _allowed.set(allowed)
    try:
        yield
    finally:
        _allowed.reset(token)


def early(index: int, total: int) -> bool:
    """Whether iteration ``index`` (from 0) of ``total`` may run in half precision."""
    return index < EARLY * total


@contextmanager
def synthesis_precision(device: torch.device, size: int, gradients: bool) -> Iterator[None]:
    """Autocast of a generator of ``size`` px, if half precision is allowed and fast there."""
    kind = half_type(device, gradients) if _allowed.get() and size >= LEAST_SIZE else None
    if kind is None or torch.is_autocast_enabled(device.type):
        yield
        return
    with torch.autocast(device.type, kind):
        yield
