"""Reads a network's sizes from its weights and loads the weights into it.

Every network module has a ``from_state(checkpoint)`` made of these functions.  They serve published files
and the narrow networks of small packs alike: every size is read from the shapes of the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ..errors import WeightCorrupt

REMEDY = "Use the file that the pack's manifest names, or download it again."

Net = TypeVar("Net", bound=nn.Module)


def wrong(what: str, why: str) -> WeightCorrupt:
    """The error for weights of another network.  why: the end of the sentence, without full stop."""
    return WeightCorrupt(f"These are not the weights of a {what}: {why}.", REMEDY)


def state_of(checkpoint: Any, what: str, prefix: str = "") -> dict[str, Tensor]:
    """The state dict inside a checkpoint object.

    checkpoint: a state dict, or a dict with one under "state_dict"; the prefix "module." of
        data-parallel training is removed.
    what: the network's name, for the error.
    prefix: if some keys start with it, only those are returned, without it ("encoder.").

    Raises errors.WeightCorrupt if there are no named tensors.
    """
    state = checkpoint
    if isinstance(state, Mapping) and isinstance(state.get("state_dict"), Mapping):
        state = state["state_dict"]
    if not isinstance(state, Mapping):
        raise WeightCorrupt(f"This file holds no weights of a {what}.", REMEDY)
    named = {k: v for k, v in state.items() if isinstance(k, str) and isinstance(v, Tensor)}
    if named and all(k.startswith("module.") for k in named):
        named = {k.removeprefix("module."): v for k, v in named.items()}
    if prefix and any(k.startswith(prefix) for k in named):
        named = {k.removeprefix(prefix): v for k, v in named.items() if k.startswith(prefix)}
    if not named:
        raise WeightCorrupt(f"This file holds no weights of a {what}.", REMEDY)
    return named


def shape_of(state: Mapping[str, Tensor], key: str, what: str, dims: int) -> tuple[int, ...]:
    """Shape of one entry.  Raises errors.WeightCorrupt if it is missing or does not have ``dims``
    dimensions."""
    if key not in state:
        raise wrong(what, f"'{key}' is missing")
    shape = tuple(state[key].shape)
    if len(shape) != dims:
        raise wrong(what, f"'{key}' has the shape {list(shape)}")
    return shape


def count(state: Mapping[str, Tensor], prefix: str) -> int:
    """The number of consecutive numbered entries (0, 1, 2, ...) after ``prefix``."""
    numbers = {k[len(prefix) :].split(".")[0] for k in state if k.startswith(prefix)}
    n = 0
    while str(n) in numbers:
        n += 1
    return n


def channels_last(x: Tensor) -> Tensor:
    """``x`` in channels-last memory format: convolutions on a CPU take two thirds of the time, those on
    CUDA the same.  Unchanged on MPS."""
    return x if x.device.type == "mps" else x.contiguous(memory_format=torch.channels_last)


def check(state: Mapping[str, Tensor], expected: Mapping[str, Tensor], what: str) -> None:
    """Raises errors.WeightCorrupt unless ``state`` has the entries of ``expected``, in their shapes, and no
    others; only the batch counters of batch norms may be missing."""
    for key, value in expected.items():
        if key not in state:
            if not key.endswith("num_batches_tracked"):
                raise wrong(what, f"'{key}' is missing")
        elif state[key].shape != value.shape:
            raise wrong(what, f"'{key}' has the shape {list(state[key].shape)} instead of {list(value.shape)}")
    if unknown := [k for k in state if k not in expected]:
        raise wrong(what, f"'{unknown[0]}' does not belong there")


def build(make: Callable[[], Net], state: Mapping[str, Tensor], what: str) -> Net:
    """``make()`` with the weights in ``state``: float32, in evaluation mode, without gradients.

    make: called on the meta device, so that no weights are initialised only to be overwritten.
    state: must have exactly the network's entries, in its shapes, because other entries mean another
        layout; only the batch counters of batch norms may be missing.

    Raises errors.WeightCorrupt.
    """
    try:
        with torch.device("meta"):
            net = make()
    except (ValueError, ZeroDivisionError) as error:
        raise wrong(what, str(error)) from error
    expected = net.state_dict()
    check(state, expected, what)
    # copied, so that training the network does not write into the caller's dict
    values = {
        k: torch.zeros(v.shape, dtype=v.dtype)
        if k not in state
        else state[k].detach().to(v.dtype, copy=True).contiguous()
        for k, v in expected.items()
    }
    net.load_state_dict(values, assign=True)
    return net.eval().requires_grad_(False)
