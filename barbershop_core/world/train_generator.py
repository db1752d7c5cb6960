"""The studio generator: StyleGAN2 fitted to the portrait world by regression.

The latent of every render is known (``params.to_z``), so no adversary is needed: the generator is
asked for the very picture.  Two things make it a good citizen of F/S space: RGB comes from the layers
above F only (the to-RGB weights at 4..32 px end at zero, so an image made from F is the image), and
style mixing at the row where F ends is supervised, because the world can say what a portrait with
these shapes and those colours looks like.  So coarse rows carry shape, fine rows colour.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from ..networks.stylegan2 import BlockState, Generator
from ..progress import Step
from . import params, pool
from .shading import LABEL

STYLE_DIM = 128
CHANNELS = {4: 128, 8: 128, 16: 128, 32: 128, 64: 64, 128: 32, 256: 16}
FACE = ("skin", "nose", "neck", "l_ear", "r_ear")
FEATURES = ("l_brow", "r_brow", "l_eye", "r_eye", "eye_g", "mouth", "u_lip", "l_lip")


@dataclass(frozen=True)
class Schedule:
    """Time-boxed training: shares of ``minutes`` at 32 px and at 64 px, the rest at full size."""

    minutes: float = 120.0
    share_32: float = 0.145
    share_64: float = 0.235
    freeze_w: float = 0.36
    decay: float = 0.45  # the last part, over which the learning rate falls to a fiftieth
    lr: float = 2e-2
    mapping_factor: float = 5.0  # its stored weights are a hundred times larger than the others
    mixing: float = 0.6
    batch: tuple[int, int, int] = (32, 16, 12)
    seed: int = 0


def pixel_weights() -> torch.Tensor:
    """Loss weight of each label, [19]: the face counts 3-fold, its features 9-fold."""
    weight = torch.full((len(LABEL),), 0.7)
    for name in FACE:
        weight[LABEL[name]] = 3.0
    for name in FEATURES:
        weight[LABEL[name]] = 9.0
    weight[LABEL["hair"]] = 1.8
    return weight


def image_loss(image: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Weighted L1 of pixels, of their differences (against blur) and of 4x-pooled pixels."""
    error = image - target
    loss = (error.abs() * weight).mean()
    loss = loss + 1.0 * ((error[..., 1:] - error[..., :-1]).abs() * weight[..., 1:]).mean()
    loss = loss + 1.0 * ((error[..., 1:, :] - error[..., :-1, :]).abs() * weight[..., 1:, :]).mean()
    return loss + F.avg_pool2d(error, 4).abs().mean()


def synthesize(g: Generator, w_plus: torch.Tensor, size: int, fade: float = 0.0) -> torch.Tensor:
    """Image from the layers above F; at 32 px, and faded out after, from the to-RGB layers below."""
    styles = g.styles(w_plus)
    if size == g.feature_size:
        return g.state(styles, size, noise="none").skip
    if fade > 0:
        below = g.state(styles, g.feature_size, noise="none")
        start = BlockState(g.feature_size, below.x, below.skip * fade)
        return g.synthesis_from_styles(styles, resolution=size, noise="none", start=start)
    feature = g.features(w_plus, noise="none")
    return g.synthesis_from_styles(styles, feature, resolution=size, noise="none")


class Batches:
    """Random batches of the pool, re-read when new chunks have been rendered."""

    def __init__(self, folder: Path, seed: int):
        self.folder, self.rng, self.count = folder, np.random.default_rng(seed), 0
        self.refresh()

    def refresh(self) -> None:
        """Take in chunks rendered since."""
        files = pool.chunks(self.folder)
        if len(files) > self.count:
            fresh = [np.load(f) for f in files[self.count :]]
            old = [] if self.count == 0 else [(self.p, self.images, self.labels)]
            parts = old + [(f["p"], f["images"], f["labels"]) for f in fresh]
            self.p, self.images, self.labels = (np.concatenate(a) for a in zip(*parts))
            self.count = len(files)

    def draw(self, batch: int, size: int) -> tuple[np.ndarray, torch.Tensor, torch.Tensor]:
        """p [B,P], images [B,3,size,size] in [-1,1], labels [B,S,S]."""
        rows = self.rng.integers(0, len(self.p), batch)
        image = to_tensor(self.images[rows])
        if size < image.shape[-1]:
            image = F.avg_pool2d(image, image.shape[-1] // size)
        return self.p[rows], image, torch.from_numpy(self.labels[rows]).long()


def to_tensor(images: np.ndarray) -> torch.Tensor:
    """uint8 [B,H,W,3] -> float [B,3,H,W] in [-1,1]."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1.0


def mixed_rows(g: Generator, p: np.ndarray, share: float, rng: np.random.Generator) -> torch.Tensor:
    """W+ of portraits; for a share of them rows below F's end come with other colours and the rows
    above with other shapes, which must not matter."""
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
    return torch.cat(
        [low[:, None].expand(-1, first, -1), high[:, None].expand(-1, g.n_latent - first, -1)], 1
    )


@torch.no_grad()
def held_out_psnr(g: Generator, folder: Path, size: int, count: int = 100) -> float:
    """PSNR in dB over held-out portraits (on pixels of all of them, 8-bit rounding aside)."""
    p, images = pool.load(folder, "p", "images", held_out=True, limit=1)
    target = to_tensor(images[:count])
    target = F.avg_pool2d(target, target.shape[-1] // size)
    error = 0.0
    for rows in torch.arange(count).split(25):
        w = g.mapping(torch.from_numpy(params.to_z(p[rows.numpy()], g.z_dim, 1)))
        image = synthesize(g, g.spread(w), size).clamp(-1, 1)
        error += (image - target[rows]).square().mean().item() * len(rows) / count
    return 10 * np.log10(4.0 / error)


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


def train(
    folder: Path, checkpoint: Path, size: int = 128, schedule: Schedule | None = None, device: str = "cpu"
) -> Iterator[Step]:
    """Fit the generator to the pool in ``folder``, keeping a resumable ``checkpoint``.

    Returns the trained generator.  Yields a step every 100 batches.
    """
    s = schedule or Schedule()
    torch.manual_seed(s.seed)
    g = Generator(size, STYLE_DIM, 4, {r: c for r, c in CHANNELS.items() if r <= size})
    with torch.no_grad():  # z's slack says nothing: deaf to it from the start
        first = g.style[1].weight
        first[:, params.COUNT :] = 0
        first *= (g.z_dim / params.COUNT) ** 0.5
    optimizer = torch.optim.Adam(
        [
            {"params": [q for n, q in g.named_parameters() if not n.startswith("style.")], "factor": 1.0},
            {"params": g.style.parameters(), "factor": s.mapping_factor},
        ],
        lr=s.lr,
        betas=(0.9, 0.99),
    )
    elapsed, index, seen = 0.0, 0, 0
    if checkpoint.exists():
        saved = torch.load(checkpoint, map_location="cpu", weights_only=True)
        g.load_state_dict(saved["generator"])
        optimizer.load_state_dict(saved["optimizer"])
        elapsed, index, seen = saved["elapsed"], saved["index"], saved["seen"]
    rng = np.random.default_rng([s.seed, index])
    batches = Batches(folder, s.seed + index)
    g = g.to(device)
    with torch.no_grad():
        g.input.input.data = g.input.input.data.contiguous(memory_format=torch.channels_last)
    weight_of = pixel_weights().to(device)
    total, start, last_saved, mean_loss = s.minutes * 60, time.monotonic() - elapsed, time.monotonic(), None
    while elapsed < total:
        elapsed = time.monotonic() - start
        done = elapsed / total
        stage = 0 if done < s.share_32 else 1 if done < s.share_32 + s.share_64 else 2
        here = (32, 64, size)[stage]
        fade = max(0.0, 1 - (done - s.share_32) / 0.05)
        lr = s.lr * min(1.0, max(0.02, (1 - done) / s.decay)) * min(1.0, (index + 1) / 100)
        for group in optimizer.param_groups:
            group["lr"] = lr * group["factor"]
        p, target, labels = batches.draw(s.batch[stage], here)
        weight = weight_of[labels.to(device)][:, None]
        if here < weight.shape[-1]:
            weight = F.avg_pool2d(weight, weight.shape[-1] // here)
        target = target.to(device)
        with torch.autocast(device, torch.bfloat16):
            image = synthesize(g, mixed_rows(g, p, s.mixing, rng).to(device), here, fade if stage else 0.0)
        loss = image_loss(image.float(), target, weight)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if done > s.freeze_w:  # W stays as it is from here on, so that encoders can be trained meanwhile
            for parameter in g.style.parameters():
                parameter.grad = None
        optimizer.step()
        index, seen = index + 1, seen + len(p)
        mean_loss = loss.item() if mean_loss is None else 0.98 * mean_loss + 0.02 * loss.item()
        if index % 100 == 0:
            yield Step(
                f"generator {here} px",
                int(elapsed),
                int(total),
                {"loss": mean_loss, "thousand images": seen / 1000, "lr": lr},
            )
        if time.monotonic() - last_saved > 150 or elapsed >= total:
            part = checkpoint.with_suffix(".part")
            torch.save(
                {
                    "generator": g.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "elapsed": elapsed,
                    "index": index,
                    "seen": seen,
                },
                part,
            )
            part.replace(checkpoint)
            batches.refresh()
            last_saved = time.monotonic()
            yield Step(
                "generator held out", int(elapsed), int(total), {"psnr": held_out_psnr(g, folder, here)}
            )
    return g
