"""Train a latent mapper for a prompt (section 5): D_CLIP(G(w + 0.1 M(w)), t) + 0.8 |M|_2 + 0.1 L_ID.

The codes come from the generator's own mapping, so no photographs are needed; half of the W+ codes are
style mixes and strayed ones, because inverted portraits are not in W.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from ..errors import BadRequest, WeightCorrupt
from ..networks.arcface import identity_embedding
from ..networks.mapper import LEVELS, Mapper
from ..photo.pixels import to_uint8
from ..progress import Step, Steps
from ..styleclip import prompts
from ..styleclip.edit_text import STEP
from ..styleclip.latent_optimization import turned

EVERY = 50
"""Iterations between checkpoints."""


@dataclass(frozen=True)
class MapperPreset:
    """Budget and weights.

    name: for people.  steps, batch, lr: iterations, codes in each, Adam's rate (the layers' own factor of
        0.01 asks for a large one).  levels: rows of W+ that are mapped.
    clip, l2, identity: weights of D_CLIP, of the squared length of 0.1 M(w), and of the identity loss.
        article: "l2" is 0.8 on |M(w)|_2; code: 0.8 on the mean square of 0.1 M(w).
    turn: weight of 1 - cos(CLIP(after) - CLIP(before), Delta t), see `optimize.OptimizePreset` (ours).
    spread: the length is measured in standard deviations of W (ours).
    """

    name: str
    steps: int = 50_000
    batch: int = 2
    lr: float = 0.5
    levels: tuple[str, ...] = tuple(LEVELS)
    clip: float = 1.0
    l2: float = 0.8
    identity: float = 0.1
    turn: float = 0.0
    spread: bool = False


RELEASED = MapperPreset("released")
PAPER = MapperPreset("paper")
# Ours: minutes instead of ten hours, by asking for the direction of the change.
FAST = MapperPreset(
    "fast", steps=400, batch=4, lr=0.4, clip=0.3, l2=0.012, identity=0.3, turn=3.0, spread=True
)
PRESETS = {preset.name: preset for preset in (FAST, PAPER, RELEASED)}


def codes(pack, count: int, rng: torch.Generator) -> Tensor:
    """W+ codes [count,L,D] of the mapping, a third of them strayed a little from W row by row."""
    g = pack.generator
    w = g.spread(g.mapping(torch.randn(count, g.z_dim, generator=rng).to(pack.device))).clone()
    strayed = torch.rand(count, 1, 1, generator=rng) < 0.34
    noise = torch.randn(w.shape, generator=rng) * strayed
    return w + 0.15 * float(pack.pnorm.stdev.square().mean().sqrt()) * noise.to(w.device)


def train(
    pack,
    clip,
    prompt: str,
    out: Path,
    neutral: str = prompts.NEUTRAL,
    preset: MapperPreset = FAST,
    seed: int = 0,
) -> Steps[dict[str, float]]:
    """Train and write ``out`` (safetensors, half precision); a checkpoint beside it makes it resumable.

    ``<out stem>.png`` shows held-out portraits before and after.  Yields the stage "train mapper".
    Returns held-out means: "clip before", "clip", "turn" (cosine of the change of the picture with that of
    the text), "identity"; and "minutes".
    """
    if preset.steps < 1 or preset.batch < 1:
        raise BadRequest("A mapper needs at least one step.", "Give --steps 500 or so.")
    prompt, _ = prompts.fit(clip, prompts.clean(prompt))
    neutral, _ = prompts.fit(clip, prompts.clean(neutral, "neutral text"))
    with torch.no_grad():
        text = clip.text([prompt])[0]
    turn = prompts.direction(clip, prompt, neutral)
    torch.manual_seed(seed)
    net = Mapper(pack.generator.style_dim, preset.levels).to(pack.device)
    with torch.no_grad():  # begins by changing nothing: a leaky ReLU of nearly zero
        for level in preset.levels:
            last = getattr(net, level).mapping[-1]
            last.weight.mul_(0.02)
    optimizer = torch.optim.Adam(net.parameters(), lr=preset.lr, betas=(0.9, 0.99))
    first, minutes, part = 0, 0.0, out.with_suffix(".part.pt")
    if part.is_file():
        first, minutes = _resume(part, net, optimizer, (prompt, neutral, preset.name, preset.steps))
    scale = float(pack.pnorm.stdev.square().mean().sqrt()) if preset.spread else 1.0
    began = time.monotonic() - 60 * minutes
    for index in range(first, preset.steps):
        done = index / preset.steps
        for group in optimizer.param_groups:
            group["lr"] = preset.lr * min(1.0, 2 * (1 - done) + 0.02) * min(1.0, (index + 1) / 20)
        w = codes(pack, preset.batch, torch.Generator().manual_seed(seed * 1_000_003 + index))
        losses, image = _losses(pack, clip, net, w, text, turn, preset, scale)
        optimizer.zero_grad(set_to_none=True)
        sum(losses.values()).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        values = {name: float(value.detach()) for name, value in losses.items()}
        shown = image.detach()[:1]
        yield Step(
            "train mapper", index + 1, preset.steps, values, lambda shown=shown: to_uint8(shown)[0].numpy()
        )
        if (index + 1) % EVERY == 0:
            minutes = (time.monotonic() - began) / 60
            saved = {
                "net": net.state_dict(),
                "optimizer": optimizer.state_dict(),
                "index": index + 1,
                "minutes": minutes,
                "of": (prompt, neutral, preset.name, preset.steps),
            }
            torch.save(saved, part)
    net.eval().requires_grad_(False)
    save_file(
        {f"mapper.{k}": v.half().contiguous() for k, v in net.state_dict().items()},
        out,
        metadata={"prompt": prompt, "neutral": neutral},
    )
    part.unlink(missing_ok=True)
    figures, sheet = report(pack, clip, net, text, turn, seed)
    Image.fromarray(sheet).save(out.with_suffix(".png"))
    return figures | {"minutes": (time.monotonic() - began) / 60}


def _losses(pack, clip, net, w, text, turn, preset: MapperPreset, scale: float):
    g, side = pack.generator, pack.working_size
    with torch.no_grad():
        before = g.synthesis(w, resolution=side).clamp(-1, 1)
        seen_before = clip.image(before)
    change = STEP * net(w)
    image = g.synthesis(w + change, resolution=side)
    seen = clip.image(image)
    length = (change / scale).square()
    losses = {"clip": preset.clip * (1 - seen @ text).mean(), "l2": preset.l2 * length.mean((0, 2)).sum()}
    if preset.turn:
        losses["turn"] = preset.turn * turned(seen - seen_before, turn)
    if preset.identity:
        with torch.no_grad():
            person = identity_embedding(pack.identity, before)
        losses["identity"] = (
            preset.identity * (1 - (identity_embedding(pack.identity, image) * person).sum(1)).mean()
        )
    return losses, image


def _resume(part: Path, net, optimizer, wanted: tuple) -> tuple[int, float]:
    try:
        saved = torch.load(part, map_location="cpu", weights_only=True)
        if tuple(saved["of"]) != wanted:
            return 0, 0.0
        net.load_state_dict(saved["net"])
        optimizer.load_state_dict(saved["optimizer"])
        return saved["index"], saved["minutes"]
    except Exception as error:
        raise WeightCorrupt(f"{part} is damaged.", "Remove it and start again.") from error


@torch.no_grad()
def report(
    pack, clip, net, text: Tensor, turn: Tensor, seed: int, count: int = 32, shown: int = 8
) -> tuple[dict[str, float], np.ndarray]:
    """Held-out means of codes that were never trained on, and a sheet: before above, after below."""
    g, side = pack.generator, pack.working_size
    w = g.spread(
        g.mapping(
            torch.randn(count, g.z_dim, generator=torch.Generator().manual_seed(seed + 77_777)).to(
                pack.device
            )
        )
    )
    rows, pictures = [], []
    for part in w.split(8):
        images = [g.synthesis(x, resolution=side).clamp(-1, 1) for x in (part, part + STEP * net(part))]
        seen = [clip.image(image) for image in images]
        person = [identity_embedding(pack.identity, image) for image in images]
        moved = torch.nn.functional.normalize(seen[1] - seen[0], dim=-1)
        rows.append(
            torch.stack([seen[0] @ text, seen[1] @ text, moved @ turn, (person[0] * person[1]).sum(1)])
        )
        pictures.append([to_uint8(image).numpy() for image in images])
    means = torch.cat(rows, 1).mean(1).tolist()
    sheet = [np.concatenate(list(np.concatenate([p[k] for p in pictures])[:shown]), 1) for k in (0, 1)]
    names = ("clip before", "clip", "turn", "identity")
    return dict(zip(names, means)), np.concatenate(sheet, 0)
