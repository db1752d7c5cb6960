"""The studio generator: StyleGAN2 fitted to the portrait world by regression.

The latent of every render is known (``params.to_z``), so no discriminator is needed: after the mapping
network has learnt to describe the portraits (``train_mapping``), the generator learns to reproduce them.
Two things make it fit for F/S space.  RGB comes from the layers above F only: the to-RGB weights at
4..32 px end at zero, so that F and the rows above it determine the picture.  Style mixing at the row where
F ends is supervised, because the world can render one portrait's shapes in another's colours; so coarse
rows carry shape and fine rows colour.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from ..errors import WeightMissing
from ..networks.stylegan2 import BlockState, Generator
from ..photo.pixels import from_uint8
from ..progress import Step, Steps
from ..world import params
from ..world.shading import LABEL
from . import checkpoints, pool, train_mapping
from .batches import Batches
from .data_parallel import Group, process_group
from .muon import Muon

STYLE_DIM = 128
CHANNELS = {4: 128, 8: 128, 16: 128, 32: 128, 64: 64, 128: 32, 256: 16}
FACE = ("skin", "nose", "neck", "l_ear", "r_ear")
FEATURES = ("l_brow", "r_brow", "l_eye", "r_eye", "eye_g", "mouth", "u_lip", "l_lip")


@dataclass(frozen=True)
class Schedule:
    """Shares of ``minutes`` at 32 px and at 64 px; the rest is at full size."""

    minutes: float = 90.0
    share_32: float = 0.04
    share_64: float = 0.16
    freeze_w: float = 0.36
    decay: float = 0.6  # the last part, over which the learning rate falls to a hundredth
    lr: float = 1.5e-2
    mapping_minutes: float = 4.0  # before ``minutes``
    mapping_factor: float = 3.0  # of its lr; its stored weights are a hundred times larger than the others
    description: float = 0.2  # weight of W's readout while W is learnt
    mixing: float = 0.5
    batch: tuple[int, int, int] = (32, 16, 12)  # of each process
    workers: int = 2
    seed: int = 0


def pixel_weights() -> torch.Tensor:
    """Loss weight of each label, [19]: the face counts 3-fold, its features 9-fold."""
    weight = torch.ones(len(LABEL))
    weight[LABEL["cloth"]] = 1.2
    for name in FACE:
        weight[LABEL[name]] = 3.0
    for name in FEATURES:
        weight[LABEL[name]] = 9.0
    weight[LABEL["hair"]] = 1.8
    return weight


def image_loss(image: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Weighted L1 of pixels and of their differences (against blur), and L1 of 4x-pooled pixels."""
    error = image - target
    loss = (error.abs() * weight).mean()
    loss = loss + 1.0 * ((error[..., 1:] - error[..., :-1]).abs() * weight[..., 1:]).mean()
    loss = loss + 1.0 * ((error[..., 1:, :] - error[..., :-1, :]).abs() * weight[..., 1:, :]).mean()
    return loss + F.avg_pool2d(error, 4).abs().mean()


def synthesize(g: Generator, w_plus: torch.Tensor, size: int, fade: float = 0.0) -> torch.Tensor:
    """Image from the layers above F; at 32 px from the to-RGB layers below, later weighted by ``fade``."""
    styles = g.styles(w_plus)
    if size == g.feature_size:
        return g.state(styles, size, noise="none").skip
    if fade > 0:
        below = g.state(styles, g.feature_size, noise="none")
        start = BlockState(g.feature_size, below.x, below.skip * fade)
    else:
        start = BlockState(g.feature_size, g.features(w_plus, noise="none"))
    return g.state(styles, size, start, noise="none").skip  # the blocks above ``size`` are not trained yet


def mixed_rows(g: Generator, p: np.ndarray, share: float, rng: np.random.Generator) -> torch.Tensor:
    """W+ of portraits p [B,P]; for a share of them the rows below F's end come from a portrait with other
    colours and the rows above from one with other shapes, which the picture must not show."""
    colour = params.indices(*params.APPEARANCE)
    shape = [i for i in range(params.COUNT) if i not in colour]
    mix = (rng.random((len(p), 1)) < share).astype(np.float32)
    other = rng.standard_normal(p.shape).astype(np.float32)
    coarse, fine = p.copy(), p.copy()
    coarse[:, colour] += mix * (other[:, colour] - p[:, colour])
    fine[:, shape] += mix * (other[:, shape] - p[:, shape])
    z = np.concatenate([params.to_z(x, g.z_dim, int(rng.integers(2**31))) for x in (coarse, fine)])
    w = g.mapping(torch.from_numpy(z))
    low, high = w.chunk(2)
    first = g.feature_index
    return torch.cat([low[:, None].expand(-1, first, -1), high[:, None].expand(-1, g.n_latent - first, -1)], 1)


@torch.no_grad()
def held_out_psnr(g: Generator, folder: Path, size: int, count: int = 100) -> float:
    """PSNR in dB over all pixels of held-out portraits, not rounded to 8 bits."""
    p, images = pool.load(folder, "p", "images", held_out=True, limit=1)
    count = min(count, len(p))
    target = from_uint8(images[:count])
    target = F.avg_pool2d(target, target.shape[-1] // size)
    error = 0.0
    for rows in torch.arange(count).split(25):
        w = g.mapping(torch.from_numpy(params.to_z(p[rows.numpy()], g.z_dim, 1)))
        image = synthesize(g, g.spread(w), size).clamp(-1, 1)
        error += (image - target[rows]).square().mean().item() * len(rows) / count
    return float(10 * np.log10(4.0 / error))


def export(g: Generator) -> dict[str, torch.Tensor]:
    """The finished state: no noise, no RGB below F, w_mean as ``latent_avg``."""
    g.update_w_mean()
    state = {k: v.clone() for k, v in g.state_dict().items()}
    for key in state:
        if key.startswith(("to_rgb1.", "to_rgbs.0.", "to_rgbs.1.", "to_rgbs.2.")) and key.endswith(
            ("conv.weight", "1.bias", "0.bias", "2.bias")
        ):
            state[key].zero_()
        if ".noise.weight" in key or key.startswith("noises."):
            state[key].zero_()
    return state | {"latent_avg": g.w_mean.clone()}


def optimizers(g: Generator, s: Schedule) -> list[torch.optim.Optimizer]:
    """Muon for the weights of synthesis, Adam for its biases and to-RGB, and for the mapping network."""
    synthesis = [(n, q) for n, q in g.named_parameters() if not n.startswith("style.")]
    matrices = [q for n, q in synthesis if q.ndim in (2, 5) and "to_rgb" not in n]
    chosen = {id(q) for q in matrices}
    rest = [q for _, q in synthesis if id(q) not in chosen]
    made = [
        Muon(matrices, s.lr),
        torch.optim.Adam(rest, s.lr, betas=(0.9, 0.99)),
        torch.optim.Adam(g.style.parameters(), s.lr, betas=(0.9, 0.99)),
    ]
    for optimizer, factor in zip(made, (1.0, 1.0, s.mapping_factor)):
        optimizer.param_groups[0]["factor"] = factor
    return made


def train(folder: Path, checkpoint: Path, size: int = 128, schedule: Schedule | None = None) -> Steps[Generator]:
    """Fit the generator to the pool in ``folder``, keeping a resumable ``checkpoint``.

    A fresh start teaches the mapping network first (``train_mapping``).
    Returns the trained generator.  Yields a step every 100 batches.
    """
    s = schedule or Schedule()
    if checkpoints.load(checkpoint, _identity(size)) is None:
        g = fresh(size, s.seed)
        described, held_out = train_mapping.describe(folder)
        minutes = min(s.mapping_minutes, s.minutes)
        head = yield from train_mapping.train(g, described, held_out, minutes, seed=s.seed)
        text = vars(described) | {"p": torch.from_numpy(described.p)}
        start = {"described": text, "head": head.state_dict(), "elapsed": 0.0, "index": 0, "seen": 0}
        _save(checkpoint, g, optimizers(g, s), start, size)
    with process_group(s.workers, _fit, folder, checkpoint, size, s) as processes:
        return (yield from _fit(processes, folder, checkpoint, size, s))


def fresh(size: int, seed: int) -> Generator:
    """An untrained generator of the studio's widths."""
    torch.manual_seed(seed)
    return Generator(size, STYLE_DIM, 4, {r: c for r, c in CHANNELS.items() if r <= size})


def load(checkpoint: Path, size: int) -> Generator:
    """The generator as far as it has been trained, as it is exported, frozen.

    Raises WeightMissing where there is no checkpoint of a generator of this size.
    """
    saved = checkpoints.load(checkpoint, _identity(size))
    if saved is None:
        raise WeightMissing(f"{checkpoint} holds no generator of {size} px.", "Train the generator first.")
    g = fresh(size, 0)
    g.load_state_dict(saved["generator"])
    state = export(g.eval())
    g.load_state_dict({k: v for k, v in state.items() if k != "latent_avg"})
    return g.requires_grad_(False)


def _identity(size: int) -> dict[str, str | int]:
    return {"training": "generator", "size": size}


def _save(
    checkpoint: Path, g: Generator, made: list[torch.optim.Optimizer], rest: Mapping[str, Any], size: int
) -> None:
    states = {"generator": g.state_dict(), "optimizers": [optimizer.state_dict() for optimizer in made]}
    checkpoints.save(checkpoint, {**rest, **states}, _identity(size))


def _fit(processes: Group, folder: Path, checkpoint: Path, size: int, s: Schedule) -> Steps[Generator]:
    saved = checkpoints.load(checkpoint, _identity(size))
    g = fresh(size, s.seed)
    g.load_state_dict(saved["generator"])
    head = nn.Linear(*reversed(saved["head"]["weight"].shape)).requires_grad_(False)
    head.load_state_dict(saved["head"])
    made = optimizers(g, s)
    for optimizer, state in zip(made, saved["optimizers"]):
        optimizer.load_state_dict(state)
    elapsed, index, seen = saved["elapsed"], saved["index"], saved["seen"]
    with torch.no_grad():
        g.input.input.data = g.input.input.data.contiguous(memory_format=torch.channels_last)
    draw = [s.seed, processes.rank, index]
    rng, batches = np.random.default_rng(draw), Batches(folder, draw)
    values, known = saved["described"]["values"], saved["described"]["known"]
    z = torch.from_numpy(params.to_z(saved["described"]["p"].numpy(), g.z_dim, 1))
    label_weight = pixel_weights()
    trained = [q for optimizer in made for q in optimizer.param_groups[0]["params"]]
    total, start, last_saved, mean_loss = s.minutes * 60, time.monotonic() - elapsed, time.monotonic(), None
    while elapsed < total:
        elapsed = processes.broadcast(time.monotonic() - start)
        done = elapsed / total
        stage = 0 if done < s.share_32 else 1 if done < s.share_32 + s.share_64 else 2
        here = (32, 64, size)[stage]
        fade = max(0.0, 1 - (done - s.share_32) / 0.05)
        lr = s.lr * min(1.0, max(0.01, (1 - done) / s.decay)) * min(1.0, (index + 1) / 50)
        for optimizer in made:
            for group in optimizer.param_groups:
                group["lr"] = lr * group["factor"]
        p, target, labels = batches.draw(s.batch[stage], here)
        weight = label_weight[labels][:, None]
        if here < weight.shape[-1]:
            weight = F.avg_pool2d(weight, weight.shape[-1] // here)
        with torch.autocast("cpu", torch.bfloat16):
            image = synthesize(g, mixed_rows(g, p, s.mixing, rng), here, fade if stage else 0.0)
        loss = image_loss(image.float(), target, weight)
        learn_w = done <= s.freeze_w  # W is fixed from then on, so that encoders can be trained
        description = 0.0
        if learn_w:
            rows = torch.from_numpy(rng.integers(0, len(z), 256))
            error = (head(g.mapping(z[rows])) - values[rows]).square() * known[rows]
            description = s.description * error.mean()
        for optimizer in made:
            optimizer.zero_grad(set_to_none=True)
        (loss + description).backward()
        if not learn_w:
            for parameter in g.style.parameters():
                parameter.grad = None
        processes.average_gradients(trained)
        for optimizer in made:
            optimizer.step()
        index, seen = index + 1, seen + len(p) * processes.size
        mean_loss = loss.item() if mean_loss is None else 0.98 * mean_loss + 0.02 * loss.item()
        if processes.rank:
            continue
        if index % 100 == 0:
            figures = {"loss": mean_loss, "thousand images": seen / 1000, "lr": lr}
            yield Step(f"generator {here} px", int(elapsed), int(total), figures)
        if time.monotonic() - last_saved > 240 or elapsed >= total:
            progress = {"elapsed": elapsed, "index": index, "seen": seen}
            _save(checkpoint, g, made, saved | progress, size)
            batches.refresh()
            last_saved = time.monotonic()
            psnr = held_out_psnr(g, folder, here)
            yield Step("generator held out", int(elapsed), int(total), {"psnr": psnr})
    return g
