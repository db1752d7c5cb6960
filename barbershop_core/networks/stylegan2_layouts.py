"""Published StyleGAN2 checkpoints -> ``Generator``.

Three containers (rosinality's ``{"g_ema", "latent_avg"}`` or a bare state dict; an encoder's or mapper's
checkpoint with the generator under ``decoder.``; NVIDIA's state dict or pickle) and two naming schemes.
NVIDIA's and rosinality's tensors hold the same numbers under different names and shapes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..errors import WeightCorrupt
from ..weights.unpickle import Record
from . import layout
from . import stylegan2_ops as ops
from .stylegan2 import LR_MLP, Generator

WHAT = "StyleGAN2 generator"
HOLDERS = ("g_ema", "G_ema", "g", "G", "generator", "state_dict", "params_ema")


def from_state(checkpoint: Any) -> Generator:
    """A frozen generator in evaluation mode; every size is read from the weights.

    checkpoint: see the module's docstring; what ``weights.checkpoint.read`` returns.  ``w_mean`` is
    ``latent_avg`` (NVIDIA: ``mapping.w_avg``) if the checkpoint has it, else the mean of the mapping of
    10,000 seeded z.  Missing registered noise is drawn from a fixed seed.

    Raises errors.WeightCorrupt if the weights are incomplete or of another network.
    """
    state, mean, clamp = _unwrap(checkpoint)
    if any(k.startswith("synthesis.") for k in state):
        state = _from_nvidia(state)
        mean = state.pop("latent_avg", mean)
    if "input.input" not in state:
        raise _wrong(f"'input.input' is missing; it begins with {_names(state)}")
    net = _fill(_build(state), state)
    for layer in net.modules():
        if hasattr(layer, "clamp"):
            layer.clamp = clamp
    net.eval().requires_grad_(False)
    if mean is None:
        net.update_w_mean()
    elif mean.shape[-1] != net.style_dim:
        raise _wrong(f"its mean latent has the shape {list(mean.shape)} instead of [{net.style_dim}]")
    else:
        net.w_mean.copy_(mean.reshape(-1, net.style_dim).mean(0))
    return net


def _wrong(why: str) -> WeightCorrupt:
    return layout.wrong(WHAT, why)


def _names(names, most: int = 3) -> str:
    names = sorted(map(str, names))
    shown = ", ".join(f"'{n}'" for n in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")


def _unwrap(checkpoint: Any) -> tuple[dict[str, Tensor], Tensor | None, float | None]:
    """State dict, mean latent and activation clamp (NVIDIA's half-precision networks) of a checkpoint."""
    mean = checkpoint.get("latent_avg") if isinstance(checkpoint, Mapping) else None
    found = checkpoint
    for _ in range(2):  # {"state_dict": {"g_ema": ...}} at the deepest
        if isinstance(found, Mapping):
            found = next((found[k] for k in HOLDERS if isinstance(found.get(k), (Mapping, Record))), found)
    clamp = None
    if isinstance(found, Record):
        clamp = _clamp(found)
        found = found.tensors()
    if not isinstance(found, Mapping):
        raise WeightCorrupt(f"This file holds no weights of a {WHAT}.", layout.REMEDY)
    state = {k: v for k, v in found.items() if isinstance(k, str) and isinstance(v, Tensor)}
    for prefix in ("module.", "decoder.", "generator."):
        if any(k.startswith(prefix) for k in state):
            state = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    if not state:
        raise WeightCorrupt(f"This file holds no weights of a {WHAT}.", layout.REMEDY)
    mean = state.pop("latent_avg", mean)
    return state, mean if isinstance(mean, Tensor) else None, clamp


def _clamp(record: Record) -> float | None:
    """The activation clamp of a pickled network, after checking its learning-rate factor."""
    first = record.module("mapping.fc0")
    gain = None if first is None else first.state.get("weight_gain")
    if gain is not None:
        inputs = first.tensors()["weight"].shape[1]
        if not math.isclose(float(gain), LR_MLP / math.sqrt(inputs), rel_tol=1e-3):
            raise _wrong("its mapping network has an unusual learning-rate factor")
    layer = record.module("synthesis.b4.conv1")
    clamp = None if layer is None else layer.state.get("conv_clamp")
    return None if clamp is None else float(clamp)


def _from_nvidia(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """NVIDIA's names and shapes -> rosinality's."""
    if any(k.startswith("mapping.embed") for k in state):
        raise _wrong("it is a class-conditional one")
    parts = {
        "weight": "conv.weight",
        "affine.weight": "conv.modulation.weight",
        "affine.bias": "conv.modulation.bias",
        "noise_strength": "noise.weight",
    }
    new: dict[str, Tensor] = {}
    for name, value in state.items():
        if match := re.fullmatch(r"mapping\.fc(\d+)\.(weight|bias)", name):
            new[f"style.{int(match[1]) + 1}.{match[2]}"] = value
        elif name == "mapping.w_avg":
            new["latent_avg"] = value
        elif name == "synthesis.b4.const":
            new["input.input"] = value[None]
        elif match := re.fullmatch(r"synthesis\.b(\d+)\.(conv0|conv1|torgb)\.(.+)", name):
            block = int(match[1]).bit_length() - 4  # 0 is resolution 8
            layer, part = match[2], match[3]
            if layer == "torgb":
                target = "to_rgb1" if block < 0 else f"to_rgbs.{block}"
            else:
                target = "conv1" if block < 0 else f"convs.{2 * block + int(layer[-1])}"
            if part == "resample_filter":
                _check_kernel(name, value, 1)
            elif part == "noise_const":
                new[f"noises.noise_{0 if block < 0 else 2 * block + 1 + int(layer[-1])}"] = value[None, None]
            elif part == "bias":
                new[target + (".bias" if layer == "torgb" else ".activate.bias")] = (
                    value.reshape(1, -1, 1, 1) if layer == "torgb" else value
                )
            elif part == "weight":
                new[f"{target}.conv.weight"] = value[None]
            elif part in parts:
                new[f"{target}.{parts[part]}"] = value.reshape(1) if part == "noise_strength" else value
            else:
                raise _wrong(f"'{name}' is unknown")
        elif name.endswith("resample_filter"):
            _check_kernel(name, value, 1)
        else:
            raise _wrong(f"'{name}' is unknown")
    return new


def _check_kernel(name: str, value: Tensor, total: float) -> None:
    taps = torch.tensor(ops.TAPS)
    if value.shape != (4, 4) or not torch.allclose(value.float(), torch.outer(taps, taps) * total, atol=1e-4):
        raise _wrong(f"'{name}' is not the filter [1, 3, 3, 1]")


def _build(state: Mapping[str, Tensor]) -> Generator:
    """An uninitialised generator of the sizes in ``state``."""

    def shape(name: str, dims: int) -> tuple[int, ...]:
        if name not in state:
            raise _wrong(f"'{name}' is missing")
        if state[name].ndim != dims:
            raise _wrong(f"'{name}' has the shape {list(state[name].shape)}")
        return tuple(state[name].shape)

    channels = {4: shape("input.input", 4)[1]}
    while f"convs.{2 * len(channels) - 2}.conv.weight" in state:
        channels[4 * 2 ** len(channels)] = shape(f"convs.{2 * len(channels) - 2}.conv.weight", 5)[1]
    layers = 0
    while f"style.{layers + 1}.weight" in state:
        layers += 1
    style_dim, z_dim = shape("conv1.conv.modulation.weight", 2)[1], shape("style.1.weight", 2)[1]
    if len(channels) < 2 or len(channels) > 10:
        raise _wrong("'convs.0.conv.weight' is missing" if len(channels) < 2 else "it has too many layers")
    with torch.device("meta"):
        net = Generator(max(channels), style_dim, layers, channels, z_dim)
    return net.to_empty(device="cpu")


@torch.no_grad()
def _fill(net: Generator, state: Mapping[str, Tensor]) -> Generator:
    """Copy the weights by name; the parameters keep their own memory format."""
    known = net.state_dict(keep_vars=True)
    optional = [k for k in known if k.startswith("noises.") or k.endswith(".kernel")]
    missing = [k for k in known if k not in state and k not in optional]
    if missing:
        raise _wrong(f"{_names(missing)} missing")
    unknown = [k for k in state if k not in known and not k.endswith(".kernel")]
    if unknown:
        raise _wrong(f"{_names(unknown)} unknown")
    generator = torch.Generator().manual_seed(0)
    taps = torch.tensor(ops.TAPS)
    for name, own in known.items():
        given = state.get(name)
        if name.endswith(".kernel"):
            own.copy_(torch.outer(taps, taps) * 4)
            if given is not None:
                _check_kernel(name, given, 4)
        elif given is None:
            own.copy_(torch.randn(own.shape, generator=generator))
        elif given.shape != own.shape:
            raise _wrong(f"'{name}' has the shape {list(given.shape)} instead of {list(own.shape)}")
        else:
            own.copy_(given)
    net.w_mean.zero_()
    return net
