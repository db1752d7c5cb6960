"""The table of global directions of a generator (section 6): Delta i_c and the spread of S.

Every channel of the convolutions is shifted by +-5 standard deviations on the same pictures; the mean
change of CLIP's embedding is its direction.  Resumable: finished layers are kept beside the output.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..errors import BadRequest, WeightCorrupt
from ..progress import Step, Steps
from .directions import Table, convolutions, image_directions
from .stylespace import block_of

SIGMAS, IMAGES, SAMPLES = 5.0, 100, 20_000
"""Shift, pictures and codes for the statistics, as published (100,000 codes there)."""
CHUNK = 16
"""Pictures made at once."""


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
    pack, clip, out: Path, images: int = IMAGES, sigmas: float = SIGMAS, seed: int = 0
) -> Steps[Table]:
    """Compute the table of a pack's generator and write it to ``out`` (safetensors, half precision).

    Yields a step a layer, stage "directions"; started again, it goes on where it stopped.
    Raises BadRequest for senseless numbers.
    """
    if images < 2 or sigmas <= 0:
        raise BadRequest(
            f"{images} pictures shifted by {sigmas:g} make no table.", "Give two pictures or more."
        )
    g, side = pack.generator, pack.working_size
    std = spread(g, seed=seed)
    with torch.no_grad():
        z = torch.randn(images, g.z_dim, generator=torch.Generator().manual_seed(seed + 1)).to(pack.device)
        styles = g.styles(g.mapping(z))
    widths = [s.shape[1] for s in styles]
    print_ = {
        "sum": std.double().sum().reshape(1),
        "numbers": torch.tensor([images, sigmas, seed], dtype=torch.float64),
    }
    part = out.with_suffix(".part.safetensors")
    done = _resume(part, print_)
    layers = convolutions(len(widths))
    for number, layer in enumerate(layers, 1):
        name = f"layer {layer}"
        if name not in done:
            sigma = std.split(widths)[layer].to(pack.device) * sigmas
            start = _before(g, styles, layer)
            rows = []
            for channel in range(widths[layer]):
                shifted = [_embedded(g, clip, styles, layer, channel, sign * sigma[channel], start, side)
                           for sign in (-1, 1)]  # fmt: skip
                rows.append(image_directions(shifted[0][None], shifted[1][None])[0].cpu())
                if channel % 16 == 15:
                    yield Step("directions", number, len(layers), {"channel": float(channel + 1)})
            done[name] = torch.stack(rows)
            save_file({**done, **print_}, part)
        yield Step("directions", number, len(layers))
    change = torch.cat([done[f"layer {layer}"] for layer in layers])
    save_file({"change": change.half(), "std": std, "widths": torch.tensor(widths)}, out)
    part.unlink(missing_ok=True)
    return Table(change, std, tuple(widths))


def _resume(part: Path, print_: dict[str, Tensor]) -> dict[str, Tensor]:
    """Finished layers of an earlier run with the same generator and numbers."""
    if not part.is_file():
        return {}
    try:
        found = load_file(part)
        same = all(torch.allclose(found.pop(name), value) for name, value in print_.items())
    except Exception as error:
        raise WeightCorrupt(f"{part} is damaged.", "Remove it and start again.") from error
    return found if same else {}


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
