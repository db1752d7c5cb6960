"""Train a latent mapper for one prompt (section 5): D_CLIP(G(w + 0.1 M(w)), t) + 0.8 |M|_2 + 0.1 L_ID.

The codes are samples of the generator's mapping network, so no photographs are needed.  A third of them get
noise of their own in every row, because inverted portraits lie in W+ and not in W.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from ..errors import BadRequest
from ..memory import pictures_at_once
from ..networks.arcface import identity_embedding, identity_loss
from ..networks.clip import Clip
from ..networks.mapper import MODULES, ROWS, Mapper
from ..photo.pixels import to_uint8
from ..progress import Step, Steps
from ..protocols import PackLike
from ..styleclip import prompts
from ..styleclip.clip_loss import directional_loss, released_embedding
from ..styleclip.edit_text import STEP
from ..styleclip.latent_optimization import w_spread
from ..styleclip.options import check_levels
from . import checkpoints

CHECKPOINT_STEPS = 50
"""Iterations between checkpoints."""


@dataclass(frozen=True)
class MapperPreset:
    """Budget and weights.

    name: of the preset.  steps, batch, lr: iterations, codes in each, Adam's learning rate (large, because
        the mapper's layers scale theirs by 0.01).
    levels: of "coarse", "medium" and "fine", the rows of W+ that are mapped (the code's --no_coarse_mapper etc.).
    clip, l2, identity: weights of D_CLIP, of the mean square of 0.1 M(w), and of the identity loss.
        article: 0.8 |M(w)|_2; code: 0.8 times the mean square over batch, rows and channels.  Both presets
        use the mean square: a Euclidean norm of that weight is an order of magnitude larger than what any
        edit gains in D_CLIP, so that M(w) = 0 would be the minimum.
    as_released: show images to CLIP as the released code does, see `styleclip.clip_loss`.
    direction: weight of 1 - cos(CLIP(after) - CLIP(before), Delta t), see `latent_optimization` (ours).
    spread: "l2" measures 0.1 M(w) in standard deviations of W (ours).
    """

    name: str
    steps: int = 50_000
    batch: int = 2
    lr: float = 0.5
    levels: tuple[str, ...] = tuple(ROWS)
    clip: float = 1.0
    as_released: bool = False
    l2: float = 0.8
    identity: float = 0.1
    direction: float = 0.0
    spread: bool = False


# mapper/options/train_options.py of orpatashnik/StyleCLIP; its optimizer, Ranger, is replaced by Adam.
RELEASED = MapperPreset("released", as_released=True)
# Section 5: the same weights.  The article trains only some of the levels where the others should stay as they are.
PAPER = MapperPreset("paper")
# Ours: minutes instead of ten hours, because the direction of the change is part of the loss.
FAST = MapperPreset("fast", steps=400, batch=4, lr=0.4, clip=0.3, l2=0.144, identity=0.3, direction=3.0, spread=True)
PRESETS = {preset.name: preset for preset in (FAST, PAPER, RELEASED)}


def sample_codes(pack: PackLike, count: int, rng: torch.Generator) -> Tensor:
    """W+ codes [count,L,D] of the mapping network, a third of them with noise in every row."""
    g = pack.generator
    w = g.spread(g.mapping(torch.randn(count, g.z_dim, generator=rng).to(pack.device))).clone()
    noisy = torch.rand(count, 1, 1, generator=rng) < 0.34
    noise = torch.randn(w.shape, generator=rng) * noisy
    return w + 0.15 * w_spread(pack) * noise.to(w.device)


class MapperLoss:
    """The loss of a prompt.

    prompt, neutral: cleaned texts.  ``text`` [E] is the prompt's unit vector, ``direction`` [E] is Delta t.
    """

    def __init__(self, pack: PackLike, clip: Clip, prompt: str, neutral: str, preset: MapperPreset):
        self.pack, self.clip, self.preset = pack, clip, preset
        self.embed = partial(released_embedding, clip) if preset.as_released else clip.image
        with torch.no_grad():
            self.text = clip.text([prompt])[0]
        self.direction = prompts.direction(clip, prompt, neutral)
        self.scale = w_spread(pack) if preset.spread else 1.0

    def __call__(self, w: Tensor, change: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Codes w and their change 0.1 M(w), both [B,L,D] -> (edited images [B,3,R,R], weighted losses)."""
        preset, generator, side = self.preset, self.pack.generator, self.pack.working_size
        with torch.no_grad():
            before = generator.synthesis(w, side=side).clamp(-1, 1)
            embedding_before = self.embed(before)
        image = generator.synthesis(w + change, side=side)
        embedding = self.embed(image)
        losses = {
            "clip": preset.clip * (1 - embedding @ self.text).mean(),
            "l2": preset.l2 * (change / self.scale).square().mean(),
        }
        if preset.direction:
            moved = embedding - embedding_before
            losses["direction"] = preset.direction * directional_loss(moved, self.direction)
        if preset.identity:
            losses["identity"] = preset.identity * identity_loss(self.pack.identity, image, before)
        return image, losses


def train(
    pack: PackLike,
    clip: Clip,
    prompt: str,
    out: Path,
    neutral: str = prompts.NEUTRAL,
    preset: MapperPreset = FAST,
    seed: int = 0,
) -> Steps[dict[str, float]]:
    """Train a mapper and write it to ``out`` (safetensors, half precision).

    ``<out stem>.part.pt`` is the checkpoint from which an interrupted training of the same prompt, preset,
    seed and networks is resumed; ``<out stem>.png`` shows held-out portraits before and after.
    Yields the stage "train mapper".  Returns held-out means: "clip before", "clip", "turn" (cosine of the
    change of the image embedding with Delta t), "identity"; and "minutes".
    Raises BadRequest for an empty prompt, unknown levels or fewer than one step, WeightCorrupt for a damaged
    checkpoint.
    """
    if preset.steps < 1 or preset.batch < 1:
        raise BadRequest("A mapper needs at least one step.", "Give --steps 500 or so.")
    check_levels(preset.levels)
    prompt, _ = prompts.fit(clip, prompts.clean(prompt))
    neutral, _ = prompts.fit(clip, prompts.clean(neutral, "neutral text"))
    loss = MapperLoss(pack, clip, prompt, neutral, preset)
    torch.manual_seed(seed)
    modules = tuple(MODULES[level] for level in ROWS if level in preset.levels)
    net = Mapper(pack.generator.style_dim, modules).to(pack.device)
    with torch.no_grad():  # starts close to M(w) = 0
        for module in modules:
            getattr(net, module).mapping[-1].weight.mul_(0.02)
    optimizer = torch.optim.Adam(net.parameters(), lr=preset.lr, betas=(0.9, 0.99))
    checkpoint = out.with_suffix(".part.pt")
    belongs_to = {
        "prompt": prompt,
        "neutral": neutral,
        "preset": asdict(preset),
        "seed": seed,
        "size": pack.working_size,
        "networks": checkpoints.digest(pack.generator, pack.pnorm, clip, pack.identity),
    }
    first, minutes = 0, 0.0
    if saved := checkpoints.load(checkpoint, belongs_to):
        net.load_state_dict(saved["net"])
        optimizer.load_state_dict(saved["optimizer"])
        first, minutes = saved["index"], saved["minutes"]
    began = time.monotonic() - 60 * minutes
    for index in range(first, preset.steps):
        done = index / preset.steps
        for group in optimizer.param_groups:
            group["lr"] = preset.lr * min(1.0, 2 * (1 - done) + 0.02) * min(1.0, (index + 1) / 20)
        w = sample_codes(pack, preset.batch, torch.Generator().manual_seed(seed * 1_000_003 + index))
        optimizer.zero_grad(set_to_none=True)
        values: dict[str, float] = {}
        for part in w.split(pictures_at_once(pack.generator, preset.batch, gradients=True)):
            image, losses = loss(part, STEP * net(part))
            share = len(part) / len(w)  # every loss is a mean over the codes
            (share * sum(losses.values())).backward()
            values = {name: values.get(name, 0.0) + share * float(v.detach()) for name, v in losses.items()}
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        shown = image.detach()[:1]
        yield Step("train mapper", index + 1, preset.steps, values, lambda shown=shown: to_uint8(shown)[0].numpy())
        if (index + 1) % CHECKPOINT_STEPS == 0:
            minutes = (time.monotonic() - began) / 60
            state = {"net": net.state_dict(), "optimizer": optimizer.state_dict()}
            checkpoints.save(checkpoint, state | {"index": index + 1, "minutes": minutes}, belongs_to)
    net.eval().requires_grad_(False)
    save_file(
        {f"mapper.{k}": v.half().contiguous() for k, v in net.state_dict().items()},
        out,
        metadata={"prompt": prompt, "neutral": neutral},
    )
    checkpoint.unlink(missing_ok=True)
    figures, sheet = held_out(loss, net, seed)
    Image.fromarray(sheet).save(out.with_suffix(".png"))
    return figures | {"minutes": (time.monotonic() - began) / 60}


@torch.no_grad()
def held_out(
    loss: MapperLoss, net: Mapper, seed: int, count: int = 32, shown: int = 8
) -> tuple[dict[str, float], np.ndarray]:
    """Means over ``count`` codes that were not trained on (see `train`), and a sheet of ``shown`` portraits,
    uint8 [2R,shown*R,3]: before above, after below."""
    pack, g = loss.pack, loss.pack.generator
    rng = torch.Generator().manual_seed(seed + 77_777)
    w = g.spread(g.mapping(torch.randn(count, g.z_dim, generator=rng).to(pack.device)))
    rows, pictures = [], []
    for part in w.split(pictures_at_once(g, 8)):
        codes = part, part + STEP * net(part)
        images = [g.synthesis(code, side=pack.working_size).clamp(-1, 1) for code in codes]
        before, after = (loss.clip.image(image) for image in images)
        people = [identity_embedding(pack.identity, image) for image in images]
        turn = F.normalize(after - before, dim=-1) @ loss.direction
        rows.append(torch.stack([before @ loss.text, after @ loss.text, turn, (people[0] * people[1]).sum(1)]))
        pictures.append([to_uint8(image).numpy() for image in images])
    means = torch.cat(rows, 1).mean(1).tolist()
    sheet = [np.concatenate(list(np.concatenate(images)[:shown]), 1) for images in zip(*pictures)]
    return dict(zip(("clip before", "clip", "turn", "identity"), means)), np.concatenate(sheet, 0)
