"""The table of global directions of a generator (section 6): Delta i_c and the standard deviations of S.

"shift" is the published way: every channel of the convolutions is shifted by +-5 standard deviations in the
same images, and the mean change of CLIP's embedding is its direction.  "derivative", ours, is the limit of a
small shift: one backward pass for each element of the embedding instead of two images for each channel, which
is ten times less work and exaggerates less; its rows are decorrelated.  An interrupted computation is resumed
from a checkpoint beside the output.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from ..errors import BadRequest
from ..memory import pictures_at_once
from ..networks.clip import Clip
from ..networks.stylegan2 import BlockState
from ..progress import Step, Steps
from ..protocols import PackLike
from ..styleclip import prompts
from ..styleclip.clip_loss import picture_embedding
from ..styleclip.directions import Table, convolutions, image_directions
from ..styleclip.options import BETA
from ..styleclip.stylespace import block_of
from ..weights.assets import suggestions
from . import checkpoints

KEPT_SHARE = 1 / 6
"""Share of the channels that a derivative table keeps at the default threshold, for the median suggested prompt:
that of the studio pack, with which the threshold's default was chosen."""
MOST_AT_ONCE = 16
"""Images in a batch, where there is memory for them."""


@dataclass(frozen=True)
class TablePreset:
    """How a table is computed.

    name: of the preset.  by: "derivative" or "shift".  images: generated images to average over.
    sigmas: of the shift, in standard deviations.  codes: of the mapping network, for the statistics of S.
    truncation: codes are moved towards the mean of W by this factor.
    at_mean: a channel is shifted from its mean instead of from each image's own value, and then stays there.
    pictures: CLIP sees pictures of 8 bits, through its own preprocessing.
    """

    name: str
    by: str = "shift"
    images: int = 100
    sigmas: float = 5.0
    codes: int = 100_000
    truncation: float = 1.0
    at_mean: bool = False
    pictures: bool = False


# Section 6: 100 images with the channel at +-5 sigma.
PAPER = TablePreset("paper")
# global_directions/GetCode.py and SingleChannel.py of orpatashnik/StyleCLIP, which made the published table: sigma of
# 100,000 codes truncated by .7; the loop sets a channel to its mean before shifting it and, writing into the array
# that all channels share, leaves it there; CLIP sees 8-bit pictures.  It visits layers up to 128 px; ours goes on, as
# the published file for FFHQ does.
RELEASED = TablePreset("released", truncation=0.7, at_mean=True, pictures=True)
FAST = TablePreset("fast", by="derivative", codes=20_000)
PRESETS = {preset.name: preset for preset in (FAST, PAPER, RELEASED)}


@torch.no_grad()
def sample_codes(generator: nn.Module, count: int, truncation: float, seed: int) -> Tensor:
    """``count`` codes [N,D] of the mapping network, towards the mean of W where ``truncation`` is below 1."""
    z = torch.randn(count, generator.z_dim, generator=torch.Generator().manual_seed(seed))
    mean = generator.w_mean
    parts = [generator.mapping(part.to(mean.device)) for part in z.split(2000)]
    return torch.cat([mean + truncation * (part - mean) for part in parts])


@torch.no_grad()
def style_statistics(
    generator: nn.Module, samples: int = FAST.codes, truncation: float = 1.0, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation [M] of every style channel over ``samples`` codes of the mapping network."""
    sums = [0.0, 0.0]
    for part in sample_codes(generator, samples, truncation, seed).split(2000):
        flat = torch.cat(generator.styles(part), 1).double()
        sums = [sums[0] + flat.sum(0), sums[1] + flat.square().sum(0)]
    mean = sums[0] / samples
    deviation = (sums[1] / samples - mean.square()).clamp_min(0).sqrt()
    return mean.float().cpu(), deviation.float().cpu()


def precompute(pack: PackLike, clip: Clip, out: Path, preset: TablePreset = FAST, seed: int = 0) -> Steps[Table]:
    """Compute the table of a pack's generator and write it to ``out`` (safetensors, half precision).

    ``<out stem>.part.pt`` is the checkpoint from which an interrupted computation with the same arguments
    and networks is resumed.  Yields the stage "directions".
    Raises BadRequest for numbers out of range, WeightCorrupt for a damaged checkpoint.
    """
    if preset.images < 2 or preset.sigmas <= 0:
        raise BadRequest(
            f"No table can be made of {preset.images} images shifted by {preset.sigmas:g}.",
            "Give at least two images and a shift above 0.",
        )
    g = pack.generator
    mean, std = style_statistics(g, preset.codes, preset.truncation, seed)
    styles = [s.detach() for s in g.styles(sample_codes(g, preset.images, preset.truncation, seed + 1))]
    widths = tuple(s.shape[1] for s in styles)
    checkpoint = out.with_suffix(".part.pt")
    belongs_to = {
        "preset": asdict(preset),
        "seed": seed,
        "size": pack.working_size,
        "networks": checkpoints.digest(g, clip),
    }
    parts = checkpoints.load(checkpoint, belongs_to) or {}

    def keep(found: dict[str, Tensor]) -> None:
        parts.update(found)
        checkpoints.save(checkpoint, parts, belongs_to)

    scale = 1.0
    if preset.by == "derivative":
        change = decorrelated((yield from _by_derivative(pack, clip, styles, parts, keep)))
        asked = [prompts.direction(clip, row["prompt"], row["neutral"]).cpu() for row in suggestions()]
        scale = threshold_scale(change, torch.stack(asked))
    else:
        change = yield from _by_shift(pack, clip, styles, (mean, std), preset, parts, keep)
    save_file({"change": change.half(), "std": std, "widths": torch.tensor(widths), "scale": torch.tensor(scale)}, out)
    checkpoint.unlink(missing_ok=True)
    return Table(change, std, widths, scale)


def decorrelated(change: Tensor, floor: float = 1.0) -> Tensor:
    """Rows [N,E] in which directions that many channels share count for less; unit rows.

    Returns change (C + floor mean(eigenvalues of C) 1)^-1, normalized, with C the second moment of the rows:
    regularized least squares for the channels that make a change of the embedding.  Needed because every
    channel of a generator that was not trained adversarially does a little of everything.
    """
    moment = change.T @ change / len(change)
    inverse = torch.linalg.inv(moment + floor * moment.diagonal().mean() * torch.eye(len(moment)))
    return F.normalize(change @ inverse, dim=-1)


def threshold_scale(change: Tensor, directions: Tensor) -> float:
    """The factor of thresholds with which a table [N,E] keeps `KEPT_SHARE` of its channels at the default one, for
    the median of the directions of texts [P,E].

    Relevances in a decorrelated table have another spread than in a published one, so the same threshold would
    keep other shares.
    """
    relevance = (change @ directions.T).abs()
    return float(torch.quantile(relevance, 1 - KEPT_SHARE, dim=0).median()) / BETA.default


Keep = Callable[[dict[str, Tensor]], None]
"""Adds finished parts of the table to the parts and to the checkpoint."""


def _by_derivative(
    pack: PackLike, clip: Clip, styles: list[Tensor], parts: dict[str, Tensor], keep: Keep
) -> Steps[Tensor]:
    """Mean over the images of d embedding / d channel, each of unit length: [N,E] unit rows.

    A batch keeps its graph for all elements of the embedding.
    """
    g, side, places = pack.generator, pack.working_size, convolutions(len(styles))
    images = len(styles[0])
    done = int(parts.get("done", 0))
    if done:
        yield Step("directions", done, images)
    while done < images:
        rows = slice(done, done + pictures_at_once(g, MOST_AT_ONCE, gradients=True))
        here = [s[rows].clone().requires_grad_(k in places) for k, s in enumerate(styles)]
        leaves = [here[k] for k in places]
        with torch.enable_grad():
            embedding = clip.image(g.synthesis_from_styles(here, side=side).clamp(-1, 1))
        columns = []
        for k in range(embedding.shape[1]):
            found = torch.autograd.grad(embedding[:, k].sum(), leaves, retain_graph=True)
            columns.append(torch.cat(found, 1))
            if k % 16 == 0:
                yield Step("directions", done + 1, images, {"element": float(k + 1)})
        units = F.normalize(torch.stack(columns, 2).float(), dim=-1).sum(0).cpu()
        done += len(embedding)
        keep({"sum": parts.get("sum", 0) + units, "done": torch.tensor(done)})
        yield Step("directions", done, images)
    return F.normalize(parts["sum"], dim=-1)


def _by_shift(
    pack: PackLike,
    clip: Clip,
    styles: list[Tensor],
    statistics: tuple[Tensor, Tensor],
    preset: TablePreset,
    parts: dict[str, Tensor],
    keep: Keep,
) -> Steps[Tensor]:
    """As published: each channel lowered and raised by ``sigmas`` standard deviations, [N,E] unit rows."""
    layers, widths = convolutions(len(styles)), [s.shape[1] for s in styles]
    means, deviations = (x.to(pack.device).split(widths) for x in statistics)
    styles = [s.clone() for s in styles]
    for number, layer in enumerate(layers, 1):
        name = f"layer {layer}"
        if name not in parts:
            start, rows = _state_before(pack.generator, styles, layer), []
            for channel in range(widths[layer]):
                if preset.at_mean:
                    styles[layer][:, channel] = means[layer][channel]
                shift = preset.sigmas * deviations[layer][channel]
                down, up = (
                    _embeddings(pack, clip, shifted(styles, layer, channel, sign * shift), start, preset.pictures)
                    for sign in (-1, 1)
                )
                rows.append(image_directions(down[None], up[None])[0].cpu())
                if channel % 16 == 15:
                    yield Step("directions", number, len(layers), {"channel": float(channel + 1)})
            keep({name: torch.stack(rows)})
        if preset.at_mean:
            styles[layer][:] = means[layer]
        yield Step("directions", number, len(layers))
    return torch.cat([parts[f"layer {layer}"] for layer in layers])


def shifted(styles: list[Tensor], layer: int, channel: int, shift: Tensor) -> list[Tensor]:
    """The style vectors [N,C] with one channel of one layer shifted."""
    changed = styles[layer].clone()
    changed[:, channel] += shift
    return [*styles[:layer], changed, *styles[layer + 1 :]]


@torch.no_grad()
def _state_before(g: nn.Module, styles: list[Tensor], layer: int) -> BlockState | None:
    """The activations that a change of this layer does not affect; None for the first block."""
    below = block_of(layer) // 2
    return g.state(styles, below) if below >= 4 else None


@torch.no_grad()
def _embeddings(pack: PackLike, clip: Clip, styles: list[Tensor], start: BlockState | None, pictures: bool) -> Tensor:
    """CLIP's vectors [N,E] of the images of these styles."""
    g, rows = pack.generator, []
    for part in torch.arange(len(styles[0])).split(pictures_at_once(g, MOST_AT_ONCE)):
        state = None
        if start is not None:
            skip = None if start.skip is None else start.skip[part]
            state = BlockState(start.resolution, start.x[part], skip)
        image = g.synthesis_from_styles([s[part] for s in styles], start=state, side=pack.working_size)
        rows.append(picture_embedding(clip, image) if pictures else clip.image(image.clamp(-1, 1)))
    return torch.cat(rows)
