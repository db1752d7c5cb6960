"""The studio parser: a narrow BiSeNet that finds the parts of rendered portraits and of photos.

Renders have exact labels; photographs (optional, not part of the project) show real hair.  The network
works at 1/8 of its input, and a brow of a 128 px portrait is 3 px high: hence an input of 512 px.  The loss
is computed at 128 px, after the same resizing as in ``editing.regions.parse_logits``.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ..editing.regions import Parser
from ..networks.bisenet import BiSeNet
from ..progress import Step, Steps
from ..world.shading import LABEL, LABELS
from . import checkpoints
from . import labelled_photos as photos
from .parser_batches import HAIR_ONLY, SIZE, Batches
from .parser_scores import TABLE, scores
from .widen import widen

WIDTHS = (16, 64, 128, 256)
BLOCKS = (1, 2, 2, 2)
AUXILIARY = 16  # channels inside the auxiliary heads
INPUT_SIZE = 512
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
}
"""Loss weights; of other classes 1."""


@dataclass(frozen=True)
class Schedule:
    """Time-boxed training: a first share of ``minutes`` at half the input size, a quarter of the cost."""

    minutes: float = 80.0
    share_half: float = 0.5
    decay: float = 0.7  # the last part, over which the learning rate falls to a fiftieth
    lr: float = 2e-3
    batch_half: tuple[int, int, int, int] = (4, 4, 4, 4)  # pictures of each of ``parser_batches.KINDS``
    batch: tuple[int, int, int, int] = (7, 3, 3, 2)  # at the full size, at which small parts are learnt
    average: float = 0.998  # of the running mean of the weights, which is what is exported
    auxiliary: float = 0.4  # weight of the loss of either auxiliary head
    seed: int = 0


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


def loss_of(logits: Tensor, target: Tensor, kinds: list[str], weight: Tensor) -> Tensor:
    """Weighted cross entropy; where only hair is labelled, of hair against the likeliest other class.

    logits: [B,19,S,S]; target: long [B,S,S]; kinds: of each picture; weight: of each class.
    The masks of LFW, which miss and add whole pieces, count by the generalised cross entropy
    (1 - sqrt(p)) / 0.5 (Zhang and Sabuncu 2018), and all hair by one minus its soft IoU, too.
    """
    hair_only = torch.tensor([kind in HAIR_ONLY for kind in kinds])
    loss = F.cross_entropy(logits[~hair_only], target[~hair_only], weight, ignore_index=photos.IGNORE)
    if not hair_only.any():
        return loss
    some, wanted = logits[hair_only], target[hair_only]
    known, is_hair = wanted != photos.IGNORE, wanted == LABEL["hair"]
    rest = [i for i in range(len(LABELS)) if i != LABEL["hair"]]
    odds = some[:, LABEL["hair"]] - some[:, rest].amax(1)
    right = F.logsigmoid(torch.where(is_hair, odds, -odds))
    coarse = torch.tensor([kind == "lfw" for kind in kinds])[hair_only][:, None, None]
    each = torch.where(coarse, 2 - 2 * (0.5 * right).exp(), -right)
    p = odds.sigmoid() * known
    both, either = (p * is_hair).sum(), (p + is_hair - p * is_hair).mul(known).sum()
    return loss + 0.6 * each[known].mean() + 0.4 * (1 - (both + 1) / (either + 1))


# ---------------------------------------------------------------- training


def train(
    folder: Path, data: Path | None, checkpoint: Path, schedule: Schedule | None = None, start: BiSeNet | None = None
) -> Steps[Parser]:
    """Fit a parser to the renders in ``folder`` and to the photos in ``data`` (``None``: renders alone).

    start: a trained parser to go on from, whose numbers of channels divide this one's.  A resumable
    ``checkpoint`` is kept; its "average" is the state that is written to the pack.  Yields a step every 20
    batches, and one with held-out numbers every ten minutes and at the end.
    """
    s = schedule or Schedule()
    torch.manual_seed(s.seed)
    net = empty() if start is None else widen(start, empty())
    optimizer = torch.optim.AdamW(net.parameters(), lr=s.lr, betas=(0.9, 0.99), weight_decay=1e-4)
    elapsed, index, average = 0.0, 0, {k: v.clone() for k, v in net.state_dict().items()}
    identity = {"training": "parser", "photos": data is not None}
    saved = checkpoints.load(checkpoint, identity)
    if saved is not None:
        net.load_state_dict(saved["net"])
        optimizer.load_state_dict(saved["optimizer"])
        elapsed, index, average = saved["elapsed"], saved["index"], saved["average"]
    net = net.to(memory_format=torch.channels_last)
    batches = Batches(folder, data, s.seed + index)
    weight = torch.tensor([SMALL.get(name, 1.0) for name in LABELS])
    total, began, last_saved, mean_loss = s.minutes * 60, time.monotonic() - elapsed, time.monotonic(), None
    if data is None:
        yield Step("parser", 0, int(total), notice="No folder of photos: trained on renders alone.")
    while elapsed < total:
        elapsed = time.monotonic() - began
        done = elapsed / total
        half = done < s.share_half
        lr = s.lr * min(1.0, max(0.02, (1 - done) / s.decay)) * min(1.0, (index + 1) / 100)
        for group in optimizer.param_groups:
            group["lr"] = lr
        strides = (2, 4, 4) if half else (1, 2, 2)
        size, batch = (INPUT_SIZE // 2, s.batch_half) if half else (INPUT_SIZE, s.batch)
        x, target, kinds = batches.draw(size, batch)
        with torch.autocast("cpu", torch.bfloat16):
            heads = all_logits(net, x.contiguous(memory_format=torch.channels_last), strides)
        losses = [
            loss_of(logits, target[:, ::stride, ::stride], kinds, weight) for logits, stride in zip(heads, strides)
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
        if time.monotonic() - last_saved > 600 or elapsed >= total:
            state = {"net": net.state_dict(), "optimizer": optimizer.state_dict(), "average": average}
            checkpoints.save(checkpoint, state | {"elapsed": elapsed, "index": index}, identity)
            last_saved = time.monotonic()
            losses = scores(finished(average), folder, data, 12)
            yield Step("parser held out", int(elapsed), int(total), losses)
    return finished(average)


def empty() -> BiSeNet:
    """A parser's network, untrained."""
    return BiSeNet(len(LABELS), WIDTHS, BLOCKS, auxiliary=AUXILIARY)


def finished(state: dict[str, Tensor]) -> Parser:
    """A parser in evaluation mode with this state."""
    net = empty()
    net.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in state.items()})
    return Parser(net.eval().requires_grad_(False), INPUT_SIZE, TABLE)
