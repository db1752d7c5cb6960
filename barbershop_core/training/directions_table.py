"""The table of global directions of a generator (section 6): Delta i_c and the standard deviations of S.

"shift" is the published way: every channel of the convolutions is shifted by +-5 standard deviations in the
same images, and the mean change of CLIP's embedding is its direction.  "derivative", ours, is the limit of a
small shift: one backward pass for each element of the embedding instead of two images for each channel, which
is ten times less work and exaggerates less; its rows are decorrelated.  An interrupted computation is resumed
from a checkpoint beside the output.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from ..errors import BadRequest
from ..networks.clip import Clip
from ..networks.stylegan2 import BlockState
from ..progress import Step, Steps
from ..protocols import PackLike
from ..styleclip.directions import Table, convolutions, image_directions
from ..styleclip.stylespace import block_of
from . import checkpoints

SIGMAS, IMAGES, SAMPLES = 5.0, 100, 20_000
"""Shift, images, and codes for the statistics (the first two as published; 100,000 codes there)."""
WAYS = ("derivative", "shift")
CHUNK, GRADIENTS = 16, 8
"""Images synthesised at once, and differentiated at once."""


@torch.no_grad()
def style_deviations(generator: nn.Module, samples: int = SAMPLES, seed: int = 0) -> Tensor:
    """Standard deviation of every style channel over ``samples`` codes of the mapping network, [M]."""
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
    pack: PackLike,
    clip: Clip,
    out: Path,
    images: int = IMAGES,
    by: str = "derivative",
    sigmas: float = SIGMAS,
    seed: int = 0,
) -> Steps[Table]:
    """Compute the table of a pack's generator and write it to ``out`` (safetensors, half precision).

    images: generated images to average over.  by: "derivative" or "shift" (by ``sigmas``).
    ``<out stem>.part.pt`` is the checkpoint from which an interrupted computation with the same arguments
    and networks is resumed.  Yields the stage "directions".
    Raises BadRequest for numbers out of range, WeightCorrupt for a damaged checkpoint.
    """
    if images < 2 or sigmas <= 0:
        raise BadRequest(
            f"No table can be made of {images} images shifted by {sigmas:g}.",
            "Give at least two images and a shift above 0.",
        )
    if by not in WAYS:
        raise BadRequest(f"There is no way '{by}' to a table.", f"Choose one of: {', '.join(WAYS)}.")
    g = pack.generator
    std = style_deviations(g, seed=seed)
    with torch.no_grad():
        z = torch.randn(images, g.z_dim, generator=torch.Generator().manual_seed(seed + 1)).to(pack.device)
        styles = g.styles(g.mapping(z))
    checkpoint = out.with_suffix(".part.pt")
    belongs_to = {
        "by": by,
        "images": images,
        "at once": GRADIENTS,
        "sigmas": sigmas,
        "seed": seed,
        "size": pack.working_size,
        "networks": checkpoints.digest(g, clip),
    }
    parts = checkpoints.load(checkpoint, belongs_to) or {}

    def keep(name: str, part: Tensor) -> None:
        parts[name] = part
        checkpoints.save(checkpoint, parts, belongs_to)

    if by == "derivative":
        change = decorrelated((yield from _by_derivative(pack, clip, styles, parts, keep)))
    else:
        change = yield from _by_shift(pack, clip, styles, std, sigmas, parts, keep)
    widths = tuple(s.shape[1] for s in styles)
    save_file({"change": change.half(), "std": std, "widths": torch.tensor(widths)}, out)
    checkpoint.unlink(missing_ok=True)
    return Table(change, std, widths)


def decorrelated(change: Tensor, floor: float = 1.0) -> Tensor:
    """Rows [N,E] in which directions that many channels share count for less; unit rows.

    Returns change (C + floor mean(eigenvalues of C) 1)^-1, normalized, with C the second moment of the rows:
    regularized least squares for the channels that make a change of the embedding.  Needed because every
    channel of a generator that was not trained adversarially does a little of everything.
    """
    moment = change.T @ change / len(change)
    inverse = torch.linalg.inv(moment + floor * moment.diagonal().mean() * torch.eye(len(moment)))
    return F.normalize(change @ inverse, dim=-1)


Keep = Callable[[str, Tensor], None]
"""Adds a finished part of the table to the parts and to the checkpoint."""


def _by_derivative(
    pack: PackLike, clip: Clip, styles: list[Tensor], parts: dict[str, Tensor], keep: Keep
) -> Steps[Tensor]:
    """Mean over the images of d embedding / d channel, each of unit length: [N,E] unit rows."""
    g, side = pack.generator, pack.working_size
    batches = torch.arange(len(styles[0])).split(GRADIENTS)
    places = convolutions(len(styles))
    for number, rows in enumerate(batches, 1):
        name = f"images {number}"
        if name not in parts:
            here = [s[rows].detach().requires_grad_(k in places) for k, s in enumerate(styles)]
            leaves = [here[k] for k in places]
            with torch.enable_grad():
                embedding = clip.image(g.synthesis_from_styles(here, resolution=side).clamp(-1, 1))
            columns = []
            for k in range(embedding.shape[1]):
                found = torch.autograd.grad(embedding[:, k].sum(), leaves, retain_graph=True)
                columns.append(torch.cat(found, 1))
                if k % 16 == 15:
                    yield Step("directions", number, len(batches), {"element": float(k + 1)})
            units = F.normalize(torch.stack(columns, 2).float(), dim=-1)
            keep(name, units.sum(0).cpu())
        yield Step("directions", number, len(batches))
    return F.normalize(sum(parts[f"images {k}"] for k in range(1, len(batches) + 1)), dim=-1)


def _by_shift(
    pack: PackLike, clip: Clip, styles: list[Tensor], std: Tensor, sigmas: float, parts: dict[str, Tensor], keep: Keep
) -> Steps[Tensor]:
    """As published: each channel lowered and raised by ``sigmas`` standard deviations, [N,E] unit rows."""
    g, side = pack.generator, pack.working_size
    layers, widths = convolutions(len(styles)), [s.shape[1] for s in styles]
    for number, layer in enumerate(layers, 1):
        name = f"layer {layer}"
        if name not in parts:
            sigma = std.split(widths)[layer].to(pack.device) * sigmas
            start, rows = _state_before(g, styles, layer), []
            for channel in range(widths[layer]):
                ends = [
                    _embeddings(g, clip, styles, layer, channel, sign * sigma[channel], start, side) for sign in (-1, 1)
                ]
                rows.append(image_directions(ends[0][None], ends[1][None])[0].cpu())
                if channel % 16 == 15:
                    yield Step("directions", number, len(layers), {"channel": float(channel + 1)})
            keep(name, torch.stack(rows))
        yield Step("directions", number, len(layers))
    return torch.cat([parts[f"layer {layer}"] for layer in layers])


@torch.no_grad()
def _state_before(g: nn.Module, styles: list[Tensor], layer: int) -> BlockState | None:
    """The activations that a change of this layer does not affect; None for the first block."""
    below = block_of(layer) // 2
    return g.state(styles, below) if below >= 4 else None


@torch.no_grad()
def _embeddings(
    g: nn.Module,
    clip: Clip,
    styles: list[Tensor],
    layer: int,
    channel: int,
    shift: Tensor,
    start: BlockState | None,
    side: int,
) -> Tensor:
    """CLIP's vectors [N,E] of the images with one channel shifted."""
    rows = []
    for part in torch.arange(len(styles[0])).split(CHUNK):
        here = [s[part] for s in styles]
        here[layer] = here[layer].clone()
        here[layer][:, channel] += shift
        state = None
        if start is not None:
            skip = None if start.skip is None else start.skip[part]
            state = BlockState(start.resolution, start.x[part], skip)
        rows.append(clip.image(g.synthesis_from_styles(here, start=state, resolution=side).clamp(-1, 1)))
    return torch.cat(rows)
