"""Generator and encoder learn to draw photographs, and keep what they know of the rendered world.

Half of each batch are renders, whose w is known: the generator has to draw them, and the encoder to find
their w in every row.  The other half are photographs: the encoder finds a W+ code, near W as in e4e (Tov et
al. 2021), and the generator draws it.  The mapping network and the styles' linear layers are fixed, so W and S
keep their meaning, and directions, mappers and the rig stay valid.

Here the generator also gets what published ones have and regression does not need: noise in every layer, and
RGB at every size.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..inversion.prior import PNorm
from ..networks.e4e import Encoder4Editing
from ..networks.perceptual import Perceptual
from ..networks.stylegan2 import BlockState, Generator
from ..networks.stylegan2_layers import StyledConv
from ..photo.pixels import from_uint8
from ..progress import Steps
from ..world import params
from . import labelled_photos, pool, timebox
from .augment import perturb
from .batches import Batches
from .train_generator import image_loss, mixed_rows, pixel_weights

NOISE = 0.05
"""Strength of each layer's noise, as a share of the standard deviation of its activations."""
LOW_SHARE = 0.2
"""What the RGB layers up to F's size give of the picture's coarse colours."""
MIXING = 0.5
"""Share of the renders whose coarse and fine rows come from two portraits, see ``train_generator``."""
BATCH = 8
"""Renders in a batch, and photographs."""
KNOWN = 32
"""Further renders for the encoder alone; their w is known, so they cost little."""


@torch.no_grad()
def add_noise(g: Generator) -> None:
    """Give each layer noise of ``NOISE`` times the deviation of its activations, not trained."""
    generator = torch.Generator().manual_seed(0)
    layers = [m for m in g.modules() if isinstance(m, StyledConv)]
    spread: dict[StyledConv, float] = {}
    hooks = [
        layer.register_forward_hook(lambda layer, _in, out: spread.__setitem__(layer, out[0].std().item()))
        for layer in layers
    ]
    g.synthesis(g.mapping(torch.randn(16, g.z_dim, generator=generator)), noise="none")
    for hook, layer in zip(hooks, layers):
        hook.remove()
        layer.noise.weight.fill_(NOISE * spread[layer])
    for buffer in g.noises.buffers():
        buffer.copy_(torch.randn(buffer.shape, generator=generator))


def trainable(g: Generator) -> None:
    """Fix W, S and the noise; let everything else learn."""
    for name, parameter in g.named_parameters():
        fixed = name.startswith("style.") or ".modulation." in name or ".noise." in name
        parameter.requires_grad_(not fixed)


def with_offsets(e: Encoder4Editing) -> Encoder4Editing:
    """The encoder, with heads that can learn: those without any weights begin anew, with an output of zero."""
    for head in e.styles:
        if not any(bool(parameter.any()) for parameter in head.parameters()):
            for conv in head.convs:
                if isinstance(conv, nn.Conv2d):
                    conv.reset_parameters()
    return e


def drawn(g: Generator, w_plus: Tensor, noise: str | None = "random") -> tuple[Tensor, Tensor]:
    """The picture [B,3,S,S] of W+ codes, and the RGB sum [B,3,32,32] of the sizes up to F."""
    styles = g.styles(w_plus)
    low = g.state(styles, g.feature_size, noise=noise)
    start = BlockState(low.resolution, low.x, low.skip)
    return g.synthesis_from_styles(styles, noise=noise, start=start), low.skip


@dataclass(frozen=True)
class Networks:
    """What is trained, ``generator`` and ``encoder``, and what judges: LPIPS, and the prior on codes (P-norm)."""

    generator: Generator
    encoder: Encoder4Editing
    perceptual: Perceptual
    prior: PNorm


def train(
    folder: Path, photos: Path | None, checkpoint: Path, minutes: float, networks: Networks, lr: float = 4e-3
) -> Steps[dict[str, float]]:
    """Train generator and encoder together on the pool in ``folder`` and on ``faces192.tar`` in ``photos``.

    Both are changed in place, and end in eval mode.  Returns their held-out figures (see `scores`).
    """
    torch.manual_seed(0)
    g, e, perceptual = networks.generator, networks.encoder, networks.perceptual.requires_grad_(False)
    add_noise(g)
    trainable(g)
    both = nn.ModuleDict({"g": g, "e": with_offsets(e.requires_grad_(True))})
    batches = Batches(folder, 0)
    faces = None if photos is None else labelled_photos.face_arrays(photos, g.size)[0]
    label_weight = pixel_weights()
    typical = label_weight[torch.from_numpy(batches.labels[:500]).long()].mean(0)[None, None]
    with torch.no_grad():
        spread = g.mapping(torch.from_numpy(params.to_z(params.sample(4000, 1), g.z_dim, 2))).std(0).mean()

    def loss(index: int) -> Tensor:
        if index % 500 == 0:
            batches.refresh()
        batches.rng = rng = np.random.default_rng([0, index])
        torch.manual_seed(index)  # of the noise
        p, target, labels = batches.draw(BATCH, g.size)
        p_more, more, _ = batches.draw(KNOWN, g.size)
        known = g.mapping(torch.from_numpy(params.to_z(np.concatenate([p, p_more]), g.z_dim)))
        seen = perturb(torch.cat([target, more]), torch.Generator().manual_seed(index), 0.5)
        rows, wanted, weight = mixed_rows(g, p, MIXING, rng), target, label_weight[labels][:, None]
        extra = torch.zeros(())
        with torch.autocast("cpu", torch.bfloat16):
            if faces is None:
                found = e(seen).float()
            else:
                photo = _drawn_from(faces, rng)
                found, code = e(torch.cat([seen, photo])).float().split([len(seen), BATCH])
                rows, wanted = torch.cat([rows, code]), torch.cat([target, photo])
                weight = torch.cat([weight, typical.expand(BATCH, -1, -1, -1)])
                offsets = (code - code[:, :1]) / spread
                extra = 0.05 * offsets.square().mean() + 0.02 * networks.prior(code[:, 0]).mean()
            image, low = drawn(g, rows)
            if faces is not None:
                extra = extra + 0.5 * perceptual.lpips(image[BATCH:], photo).mean().float()
        coarse = LOW_SHARE * F.avg_pool2d(wanted, g.size // g.feature_size)
        return (
            len(wanted) / BATCH * image_loss(image.float(), wanted, weight)
            + 0.3 * (low.float() - coarse).abs().mean()
            + ((found - known[:, None]) / spread).square().mean()
            + extra
        )

    def score() -> dict[str, float]:
        return scores(networks, folder, photos)

    made = timebox.train("photographs", both, loss, score, checkpoint, minutes, lr, weight_decay=0.0)
    return (yield from made)[1]


def _drawn_from(faces: np.ndarray, rng: np.random.Generator) -> Tensor:
    """BATCH of the photographs, half of them mirrored, [B,3,S,S] in -1..1."""
    chosen = faces[rng.integers(0, len(faces), BATCH)]
    return from_uint8(np.where(rng.random((BATCH, 1, 1, 1)) < 0.5, chosen, chosen[:, :, ::-1]))


@torch.no_grad()
def scores(networks: Networks, folder: Path, photos: Path | None, count: int = 64) -> dict[str, float]:
    """Held-out pictures with the registered noise.

    Renders from their w, and renders and photographs from their codes: PSNR in dB over all pixels, and
    LPIPS.  "r2": of the encoder on renders.  Of photographs' codes: the squared P-norm of the first row (1 for the
    mapping network's own codes), and the other rows' distance from it as a share of W's spread.
    """
    g, e = networks.generator, networks.encoder
    p, images = pool.load(folder, "p", "images", held_out=True, limit=1)
    w = g.mapping(torch.from_numpy(params.to_z(p[:count], g.z_dim, 1)))
    target = from_uint8(images[:count])
    found = e(target)

    def compare(name: str, codes: Tensor, truth: Tensor) -> dict[str, float]:
        made = torch.cat([g.synthesis(part) for part in codes.split(16)]).clamp(-1, 1)
        psnr = 10 * torch.log10(4 / (made - truth).square().mean())
        return {name: float(psnr), f"{name} lpips": float(networks.perceptual.lpips(made, truth).mean())}

    figures = compare("renders", g.spread(w), target) | compare("renders encoded", found, target)
    figures["r2"] = 1 - float((found - w[:, None]).square().mean() / w.var(0).mean())
    if photos is None:
        return figures
    photo = from_uint8(labelled_photos.face_arrays(photos, g.size, True)[0][:count])
    code = e(photo)
    return (
        figures
        | compare("photographs", code, photo)
        | {
            "photographs p-norm": float(networks.prior(code[:, 0]).mean()),
            "photographs offsets": float((code - code[:, :1]).square().mean().sqrt() / w.std(0).mean()),
        }
    )
