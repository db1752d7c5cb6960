"""The studio parser: a quarter-width BiSeNet that finds the parts of rendered portraits and of photos.

Renders have exact labels; photographs (optional, not part of the project) show real hair.  The network
works at 1/8 of its input, and a brow of a 128 px portrait is 3 px high: hence an input of 512 px.  The loss
is computed at 128 px, after the same resizing as in ``editing.regions.parse_logits``.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..editing.regions import REGIONS, Parser, parse, region_index, to_regions
from ..networks.bisenet import BiSeNet
from ..networks.resample import resize
from ..photo.pixels import from_uint8
from ..progress import Step, Steps
from ..world.shading import LABEL, LABELS
from . import checkpoints, pool
from . import labelled_photos as photos

WIDTHS = (16, 32, 64, 128)
BLOCKS = (1, 1, 1, 1)
INPUT_SIZE = 512
SIZE = 128  # px at which the loss compares
TABLE = "celebamask19"
SMALL = {
    "l_brow": 2.0,
    "r_brow": 2.0,
    "l_eye": 2.0,
    "r_eye": 2.0,
    "eye_g": 3.0,
    "l_ear": 2.0,
    "r_ear": 2.0,
    "mouth": 2.0,
    "u_lip": 2.0,
    "l_lip": 2.0,
    "cloth": 1.5,
    "neck": 1.5,
    "hair": 1.2,
}
"""Loss weights; of other classes 1."""


@dataclass(frozen=True)
class Schedule:
    """Time-boxed training: a first share of ``minutes`` at half the input size, a quarter of the cost."""

    minutes: float = 50.0
    share_half: float = 0.6
    decay: float = 0.5  # the last part, over which the learning rate falls to a fiftieth
    lr: float = 3e-3
    batch: tuple[int, int, int] = (6, 3, 3)  # renders, photos with hair masks, photos with weak labels
    average: float = 0.998  # of the running mean of the weights, which is what is exported
    auxiliary: float = 0.4  # weight of the loss of either auxiliary head
    seed: int = 0


# ---------------------------------------------------------------- augmentation


def normal(image: Tensor) -> Tensor:
    """RGB in -1..1 -> the network's input."""
    mean = torch.tensor(Parser.mean).view(1, 3, 1, 1).to(image)
    std = torch.tensor(Parser.std).view(1, 3, 1, 1).to(image)
    return (image * 0.5 + 0.5 - mean) / std


def move(image: Tensor, labels: Tensor, reach: float, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Mirror, scale, stretch, turn and shift; to ``SIZE`` px, or the image's own for a third.

    image: [B,3,H,H]; labels: uint8 [B,H,H]; reach: 1 for the full range.  What comes from beyond the
    image is ignored by the loss.  Returns [B,3,S,S], long [B,SIZE,SIZE].
    """
    b = len(image)

    def spread(amount: float) -> Tensor:
        return (torch.rand(b, generator=rng) * 2 - 1) * amount * reach

    mirrored = torch.rand(b, generator=rng) < 0.5
    angle, scale, stretch = spread(0.3), torch.exp(spread(0.28)), torch.exp(spread(0.12))
    sign = torch.where(mirrored, -1.0, 1.0)
    cos, sin = angle.cos(), angle.sin()
    rows = [
        torch.stack([sign * cos * scale * stretch, -sin * scale, spread(0.2)], 1),
        torch.stack([sign * sin * scale * stretch, cos * scale, spread(0.2)], 1),
    ]
    matrix = torch.stack(rows, 1)
    here = image.shape[-1]
    out = here if here > SIZE and torch.rand((), generator=rng) < 0.33 else SIZE
    grid = F.affine_grid(matrix, [b, 3, here, here], align_corners=False)
    moved = F.grid_sample(image, grid, padding_mode="border", align_corners=False)
    if out != here:
        moved = F.interpolate(moved, (out, out), mode="bilinear", antialias=True, align_corners=False)
    grid = F.affine_grid(matrix, [b, 1, SIZE, SIZE], align_corners=False)
    raised = labels[:, None].float() + 1  # so that 0 is what comes from outside
    drawn = F.grid_sample(raised, grid, mode="nearest", align_corners=False)[:, 0].long() - 1
    drawn = torch.where(drawn < 0, photos.IGNORE, drawn)
    swapped = torch.from_numpy(photos.swap_table()).long()[drawn]
    return moved, torch.where(mirrored[:, None, None], swapped, drawn)


def recolour(image: Tensor, rng: torch.Generator) -> Tensor:
    """Brightness, contrast, saturation, tint, softness and grain of other cameras.  [B,3,S,S]."""
    b = len(image)

    def spread(amount: float, channels: int = 1) -> Tensor:
        return (torch.rand(b, channels, 1, 1, generator=rng) * 2 - 1) * amount

    grey = image.mean(1, keepdim=True)
    image = grey + (image - grey) * (1 + spread(0.5))
    image = image * torch.exp(spread(0.3)) * (1 + spread(0.1, 3)) + spread(0.2)
    if torch.rand((), generator=rng) < 0.3:
        side = image.shape[-1]
        less = int(side * (0.45 + 0.5 * torch.rand((), generator=rng).item()))
        soft = F.interpolate(image, (less, less), mode="bilinear", antialias=True, align_corners=False)
        image = F.interpolate(soft, (side, side), mode="bicubic", align_corners=False)
    grain = torch.randn(image.shape, generator=rng) * torch.rand(b, 1, 1, 1, generator=rng).square() * 0.12
    return (image + grain).clamp(-1, 1)


def other_background(image: Tensor, labels: Tensor, rng: torch.Generator) -> Tensor:
    """A third of the renders get clouds of random colours behind them.  image [B,3,S,S], labels [B,S,S]."""
    b, side = len(image), image.shape[-1]
    clouds = 0.0
    for cells in (2, 6, 24):
        coarse = torch.randn(b, 3, cells, cells, generator=rng) * (0.6 if cells < 24 else 0.25)
        clouds = clouds + F.interpolate(coarse, (side, side), mode="bicubic", align_corners=False)
    chosen = (torch.rand(b, 1, 1, 1, generator=rng) < 0.33) & (labels == 0)[:, None]
    return torch.where(chosen, clouds.clamp(-1, 1), image)


# ---------------------------------------------------------------- data


class Data:
    """Batches of renders, of photos with hair masks and of photos with weak labels."""

    def __init__(self, folder: Path, data: Path | None, batch: tuple[int, int, int], seed: int):
        self.rng, self.numbers = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
        self.sets: list[tuple[str, np.ndarray, np.ndarray, int]] = []
        images, labels = pool.load(folder, "images", "labels")
        self.sets.append(("renders", images, labels, batch[0] if data else sum(batch)))
        if data:
            self.sets.append(("hair", *photos.hair_arrays(data, 192), batch[1]))
            self.sets.append(("parts", *photos.part_arrays(data, 192), batch[2]))

    def draw(self, input_size: int) -> tuple[Tensor, Tensor, Tensor]:
        """Network input [B,3,S,S], labels long [B,SIZE,SIZE], whether only hair is labelled [B]."""
        inputs, targets, hair_only = [], [], []
        for kind, images, labels, count in self.sets:
            rows = self.numbers.integers(0, len(images), count)
            image, label = from_uint8(images[rows]), torch.from_numpy(labels[rows])
            if kind == "renders":
                image = other_background(image, label, self.rng)
            image, label = move(image, label, 0.6 if kind == "renders" else 1.0, self.rng)
            inputs.append(resize(recolour(image, self.rng), input_size))
            targets.append(label)
            hair_only += [kind == "hair"] * len(rows)
        return normal(torch.cat(inputs)), torch.cat(targets), torch.tensor(hair_only)


# ---------------------------------------------------------------- loss


def resizing(cells: int, input_size: int) -> Tensor:
    """[SIZE,cells]: the network's resize to its input, then that of ``parse_logits``, as one matrix."""
    each = torch.eye(cells)[None, :, :, None]
    x = F.interpolate(each, (input_size, 1), mode="bilinear", align_corners=True)
    return F.interpolate(x, (SIZE, 1), mode="bilinear", align_corners=False)[0, :, :, 0].T


def all_logits(net: BiSeNet, x: Tensor, strides: tuple[int, int, int]) -> list[Tensor]:
    """What ``net.forward_all`` gives, at every stride-th of ``SIZE`` px at once: [B,19,S,S] of each
    head.  (The logits at 512 px would cost more than the network.)"""
    eighth, context8, context16 = net.cp(x)
    heads = (net.conv_out(net.ffm(eighth, context8)), net.conv_out16(context8), net.conv_out32(context16))
    matrices = [
        resizing(logits.shape[-1], x.shape[-1])[::stride].to(x.device) for logits, stride in zip(heads, strides)
    ]
    with torch.autocast(x.device.type, enabled=False):
        return [m @ logits.float() @ m.T for m, logits in zip(matrices, heads)]


def loss_of(logits: Tensor, target: Tensor, hair_only: Tensor, weight: Tensor) -> Tensor:
    """Weighted cross entropy; where only hair is labelled, of hair against all other classes."""
    parts = F.cross_entropy(logits[~hair_only], target[~hair_only], weight, ignore_index=photos.IGNORE)
    if not hair_only.any():
        return parts
    hair, rest = LABEL["hair"], [i for i in range(len(LABELS)) if i != LABEL["hair"]]
    some, wanted = logits[hair_only], target[hair_only]
    odds = some[:, hair] - some[:, rest].logsumexp(1)
    known = wanted != photos.IGNORE
    return parts + 0.6 * F.binary_cross_entropy_with_logits(odds[known], (wanted == hair)[known].float())


# ---------------------------------------------------------------- held-out numbers


@torch.no_grad()
def scores(parser: Parser, folder: Path, data: Path | None = None, limit: int | None = None) -> dict[str, float]:
    """Held-out numbers, all of them ratios of summed areas.

    "renders": mean IoU over the regions that occur in the held-out renders, "renders <region>" each;
    with a folder of photos, "hair": IoU of the held-out tenth of the hair masks (resized to the
    parser's square, compared at the photo's size), and "parts <region>" on portraits of people held
    out, whose truth is machine-made.  limit: portraits and photos of each kind.
    """
    result: dict[str, float] = {}
    images, labels = pool.load(folder, "images", "labels", held_out=True, limit=1)
    each = _region_ious(parser, images[:limit], labels[:limit])
    result["renders"] = float(np.mean(list(each.values())))
    result |= {f"renders {name}": value for name, value in each.items()}
    if data is None:
        return result
    sums: dict[str, np.ndarray] = {}
    pairs = list(photos.hair_pairs(data, True).items())
    for name, (image, mask) in pairs[:: max(1, len(pairs) // (limit or len(pairs)))]:
        found = parse(parser, from_uint8(np.asarray(image)[None].copy()))[0].numpy() == region_index("hair")
        both = np.array([(found & mask).sum(), (found | mask).sum()])
        for key in ("hair", f"hair {name.split('/')[0]}"):
            sums[key] = sums.get(key, 0) + both
    result |= {key: float(a / max(b, 1)) for key, (a, b) in sums.items()}
    each = _region_ious(parser, *(a[:limit] for a in photos.part_arrays(data, 192, True)))
    return result | {f"parts {name}": value for name, value in each.items()}


def _region_ious(parser: Parser, images: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    n = len(REGIONS)
    table = torch.zeros(n, n)
    for image, label in zip(images, labels):
        known = torch.from_numpy(label).long() != photos.IGNORE
        truth = to_regions(torch.from_numpy(label).long()[known], TABLE)
        found = parse(parser, from_uint8(image[None]))[0][known]
        table += torch.bincount(truth * n + found, minlength=n * n).reshape(n, n)
    union = table.sum(0) + table.sum(1) - table.diagonal()
    return {name: (table[i, i] / union[i]).item() for i, name in enumerate(REGIONS) if table[i].sum() > 0}


# ---------------------------------------------------------------- training


def train(folder: Path, data: Path | None, checkpoint: Path, schedule: Schedule | None = None) -> Steps[Parser]:
    """Fit a parser to the renders in ``folder`` and to the photos in ``data`` (``None``: renders alone).

    A resumable ``checkpoint`` is kept; its "average" is the state that is written to the pack.  Yields a
    step every 20 batches, and one with held-out numbers every four minutes and at the end.
    """
    s = schedule or Schedule()
    torch.manual_seed(s.seed)
    net = BiSeNet(len(LABELS), WIDTHS, BLOCKS)
    optimizer = torch.optim.AdamW(net.parameters(), lr=s.lr, betas=(0.9, 0.99), weight_decay=1e-4)
    elapsed, index, average = 0.0, 0, {k: v.clone() for k, v in net.state_dict().items()}
    identity = {"training": "parser", "photos": data is not None}
    saved = checkpoints.load(checkpoint, identity)
    if saved is not None:
        net.load_state_dict(saved["net"])
        optimizer.load_state_dict(saved["optimizer"])
        elapsed, index, average = saved["elapsed"], saved["index"], saved["average"]
    net = net.to(memory_format=torch.channels_last)
    batches = Data(folder, data, s.batch, s.seed + index)
    weight = torch.tensor([SMALL.get(name, 1.0) for name in LABELS])
    total, start, last_saved, mean_loss = s.minutes * 60, time.monotonic() - elapsed, time.monotonic(), None
    if data is None:
        yield Step("parser", 0, int(total), notice="No folder of photos: trained on renders alone.")
    while elapsed < total:
        elapsed = time.monotonic() - start
        done = elapsed / total
        half = done < s.share_half
        lr = s.lr * min(1.0, max(0.02, (1 - done) / s.decay)) * min(1.0, (index + 1) / 50)
        for group in optimizer.param_groups:
            group["lr"] = lr
        strides = (2, 4, 4) if half else (1, 2, 2)
        x, target, hair_only = batches.draw(INPUT_SIZE // 2 if half else INPUT_SIZE)
        with torch.autocast("cpu", torch.bfloat16):
            heads = all_logits(net, x.contiguous(memory_format=torch.channels_last), strides)
        losses = [
            loss_of(logits, target[:, ::stride, ::stride], hair_only, weight) for logits, stride in zip(heads, strides)
        ]
        loss = losses[0] + s.auxiliary * (losses[1] + losses[2])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        index += 1
        keep = min(s.average, 1 - 1 / (1 + 0.2 * index))
        with torch.no_grad():
            for key, value in net.state_dict().items():
                if value.is_floating_point():
                    average[key].lerp_(value, 1 - keep)
                else:
                    average[key].copy_(value)
        mean_loss = losses[0].item() if mean_loss is None else 0.97 * mean_loss + 0.03 * losses[0].item()
        if index % 20 == 0:
            yield Step("parser", int(elapsed), int(total), {"loss": mean_loss, "batches": index, "lr": lr})
        if time.monotonic() - last_saved > 240 or elapsed >= total:
            state = {"net": net.state_dict(), "optimizer": optimizer.state_dict(), "average": average}
            checkpoints.save(checkpoint, state | {"elapsed": elapsed, "index": index}, identity)
            last_saved = time.monotonic()
            losses = scores(finished(average), folder, data, 12)
            yield Step("parser held out", int(elapsed), int(total), losses)
    return finished(average)


def finished(state: dict[str, Tensor]) -> Parser:
    """A parser in evaluation mode with this state."""
    net = BiSeNet(len(LABELS), WIDTHS, BLOCKS)
    net.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in state.items()})
    return Parser(net.eval().requires_grad_(False), INPUT_SIZE, TABLE)
