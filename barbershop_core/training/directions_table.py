"""The table of global directions of a generator (section 6): Delta i_c and the spread of S.

As published ("shift"), every channel of the convolutions is shifted by +-5 standard deviations on the same
pictures; the mean change of CLIP's embedding is its direction.  "derivative" is the limit of a small shift,
ours: one pass back for each number of the embedding instead of two pictures for each channel, ten times
less work, and what a channel does there is less of a caricature; its rows are decorrelated.  Resumable:
finished parts are kept beside the output.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..errors import BadRequest, WeightCorrupt
from ..progress import Step, Steps
from ..styleclip.directions import Table, convolutions, image_directions
from ..styleclip.stylespace import block_of

SIGMAS, IMAGES, SAMPLES = 5.0, 100, 20_000
"""Shift, pictures and codes for the statistics, as published (100,000 codes there)."""
WAYS = ("derivative", "shift")
CHUNK, GRADIENTS = 16, 8
"""Pictures made at once, and differentiated at once."""


@torch.no_grad()
def spread(generator, samples: int = SAMPLES, seed: int = 0) -> Tensor:
    """Standard deviation of every style channel over the mapping's codes, [M]."""
    noise = torch.Generator().manual_seed(seed)
    z = torch.randn(samples, generator.z_dim, generator=noise)
    device = generator.w_mean.device
    sums = [0.0, 0.0]
    for part in z.split(2000):
        flat = torch.cat(generator.styles(generator.mapping(part.to(device))), 1).double()
        sums = [sums[0] + flat.sum(0), sums[1] + flat.square().sum(0)]
    mean = sums[0] / samples
    return (sums[1] / samples - mean.square()).clamp_min(0).sqrt().float().cpu()


def precompute(
    pack, clip, out: Path, images: int = IMAGES, by: str = "derivative", sigmas: float = SIGMAS, seed: int = 0
) -> Steps[Table]:
    """Compute the table of a pack's generator and write it to ``out`` (safetensors, half precision).

    images: pictures over which is averaged.  by: "derivative" or "shift" (by ``sigmas``).
    Yields the stage "directions"; started again, it goes on where it stopped.
    Raises BadRequest for senseless numbers.
    """
    if images < 2 or sigmas <= 0:
        raise BadRequest(
            f"{images} pictures shifted by {sigmas:g} make no table.", "Give two pictures or more."
        )
    if by not in WAYS:
        raise BadRequest(f"There is no way '{by}' to a table.", f"Choose one of: {', '.join(WAYS)}.")
    g = pack.generator
    std = spread(g, seed=seed)
    with torch.no_grad():
        z = torch.randn(images, g.z_dim, generator=torch.Generator().manual_seed(seed + 1)).to(pack.device)
        styles = g.styles(g.mapping(z))
    widths = [s.shape[1] for s in styles]
    numbers = torch.tensor([images, sigmas, seed, WAYS.index(by)], dtype=torch.float64)
    kept = _Kept(
        out.with_suffix(".part.safetensors"), {"sum": std.double().sum().reshape(1), "numbers": numbers}
    )
    if by == "derivative":
        change = decorrelated((yield from _by_derivative(pack, clip, styles, kept)))
    else:
        change = yield from _by_shift(pack, clip, styles, std, sigmas, kept)
    save_file({"change": change.half(), "std": std, "widths": torch.tensor(widths)}, out)
    kept.path.unlink(missing_ok=True)
    return Table(change, std, tuple(widths))


class _Kept:
    """Finished parts of a table on disk, if they are of the same generator and numbers."""

    def __init__(self, path: Path, print_: dict[str, Tensor]):
        self.path, self.print, self.parts = path, print_, {}
        if path.is_file():
            try:
                found = load_file(path)
                if all(torch.allclose(found.pop(name), value) for name, value in print_.items()):
                    self.parts = found
            except Exception as error:
                raise WeightCorrupt(f"{path} is damaged.", "Remove it and start again.") from error

    def put(self, name: str, value: Tensor) -> None:
        self.parts[name] = value.contiguous()
        save_file({**self.parts, **self.print}, self.path)


def decorrelated(change: Tensor, floor: float = 1.0) -> Tensor:
    """Rows [N,E] made less alike: directions that many channels share count for less.

    Channels of a generator that was not trained adversarially all do a little of everything; so the
    relevance of a row is asked of change (C + floor mean(eigenvalues) 1)^-1, C the second moment of the rows,
    the regularized least squares that finds the channels for a change of the embedding.  Unit rows.
    """
    moment = change.T @ change / len(change)
    inverse = torch.linalg.inv(moment + floor * moment.diagonal().mean() * torch.eye(len(moment)))
    return F.normalize(change @ inverse, dim=-1)


def _by_derivative(pack, clip, styles: list[Tensor], kept: _Kept) -> Steps[Tensor]:
    """Mean over the pictures of d embedding / d channel, each of unit length: [N,E] unit rows."""
    g, side, count = pack.generator, pack.working_size, len(styles[0])
    parts = torch.arange(count).split(GRADIENTS)
    places = convolutions(len(styles))
    for number, rows in enumerate(parts, 1):
        name = f"pictures {number}"
        if name not in kept.parts:
            here = [s[rows].detach().requires_grad_(k in places) for k, s in enumerate(styles)]
            leaves = [here[k] for k in places]
            with torch.enable_grad():
                seen = clip.image(g.synthesis_from_styles(here, resolution=side).clamp(-1, 1))
            columns = []
            for k in range(seen.shape[1]):
                found = torch.autograd.grad(seen[:, k].sum(), leaves, retain_graph=True)
                columns.append(torch.cat(found, 1))
                if k % 16 == 15:
                    yield Step("directions", number, len(parts), {"number": float(k + 1)})
            units = F.normalize(torch.stack(columns, 2).float(), dim=-1)
            kept.put(name, units.sum(0).cpu())
        yield Step("directions", number, len(parts))
    return F.normalize(sum(kept.parts[f"pictures {k}"] for k in range(1, len(parts) + 1)), dim=-1)


def _by_shift(pack, clip, styles: list[Tensor], std: Tensor, sigmas: float, kept: _Kept) -> Steps[Tensor]:
    """As published: each channel lowered and raised by ``sigmas`` standard deviations, [N,E] unit rows."""
    g, side = pack.generator, pack.working_size
    layers, widths = convolutions(len(styles)), [s.shape[1] for s in styles]
    for number, layer in enumerate(layers, 1):
        name = f"layer {layer}"
        if name not in kept.parts:
            sigma = std.split(widths)[layer].to(pack.device) * sigmas
            start, rows = _before(g, styles, layer), []
            for channel in range(widths[layer]):
                ends = [
                    _embedded(g, clip, styles, layer, channel, sign * sigma[channel], start, side)
                    for sign in (-1, 1)
                ]
                rows.append(image_directions(ends[0][None], ends[1][None])[0].cpu())
                if channel % 16 == 15:
                    yield Step("directions", number, len(layers), {"channel": float(channel + 1)})
            kept.put(name, torch.stack(rows))
        yield Step("directions", number, len(layers))
    return torch.cat([kept.parts[f"layer {layer}"] for layer in layers])


@torch.no_grad()
def _before(g, styles: list[Tensor], layer: int):
    """The activations that a change of this layer does not touch."""
    below = block_of(layer) // 2
    return g.state(styles, below) if below >= 4 else None


@torch.no_grad()
def _embedded(g, clip, styles, layer: int, channel: int, shift: Tensor, start, side: int) -> Tensor:
    """CLIP's vectors [N,E] of the pictures with one channel shifted."""
    rows = []
    for part in torch.arange(len(styles[0])).split(CHUNK):
        here = [s[part] for s in styles]
        here[layer] = here[layer].clone()
        here[layer][:, channel] += shift
        state = None
        if start is not None:
            skip = None if start.skip is None else start.skip[part]
            state = type(start)(start.resolution, start.x[part], skip)
        rows.append(clip.image(g.synthesis_from_styles(here, start=state, resolution=side).clamp(-1, 1)))
    return torch.cat(rows)
