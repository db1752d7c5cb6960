"""The studio pack's smaller networks, each learnt from the rendered pool: identity, encoder, perceptual.

They share one loop (`timebox.train`): time-boxed, resumable, yielding steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..networks.arcface import ArcFace, identity_crop
from ..networks.e4e import Encoder4Editing
from ..networks.stylegan2 import Generator
from ..networks.vgg import VGG16Features
from ..progress import Step
from ..world import params
from ..world.shading import LABELS
from . import pool, timebox
from .train_generator import Batches, to_tensor

WHO = params.indices("identity", "skin")  # what makes a person: bones and colours, not hair or mood
EMBEDDING = 32


def augment(image: Tensor, rng: torch.Generator, strength: float = 1.0) -> Tensor:
    """Light changes that mean nothing: gain and offset per picture, noise, a slight blur for some."""
    shape = (len(image), 1, 1, 1)
    gain = 1 + 0.10 * strength * torch.randn(shape, generator=rng)
    offset = 0.06 * strength * torch.randn((len(image), 3, 1, 1), generator=rng)
    noise = 0.02 * strength * torch.rand(shape, generator=rng) * torch.randn(image.shape, generator=rng)
    soft = F.avg_pool2d(F.pad(image, (1, 1, 1, 1), mode="replicate"), 3, 1)
    blurred = torch.rand(shape, generator=rng) < 0.2 * strength
    return (torch.where(blurred, soft, image) * gain + offset + noise).clamp(-1.2, 1.2)


def fit(
    name: str,
    net: nn.Module,
    loss: Callable[[nn.Module, np.ndarray, Tensor, Tensor], Tensor],
    score: Callable[[nn.Module], dict[str, float]],
    folder: Path,
    checkpoint: Path,
    minutes: float,
    batch: int = 32,
    lr: float = 2e-3,
    seed: int = 0,
    augmentation: float = 1.0,
) -> Iterator[Step]:
    """Train ``net`` on the pool (see `timebox.train`).

    loss: (net, p [B,P], images [B,3,S,S] in -1..1, labels [B,S,S]) -> scalar.
    score: held-out figures of the net in eval mode.
    """
    torch.manual_seed(seed)
    batches = Batches(folder, seed)

    def of_batch(index: int) -> Tensor:
        rng = torch.Generator().manual_seed(seed * 1_000_003 + index)
        batches.rng = np.random.default_rng([seed, index])
        p, image, labels = batches.draw(batch, 128)
        with torch.autocast("cpu", torch.bfloat16):
            return loss(net, p, augment(image, rng, augmentation), labels)

    return (yield from timebox.train(name, net, of_batch, lambda: score(net), checkpoint, minutes, lr))


def _held_out(folder: Path, count: int = 250) -> tuple[np.ndarray, Tensor, Tensor]:
    p, images, labels = pool.load(folder, "p", "images", "labels", held_out=True, limit=1)
    return p[:count], to_tensor(images[:count]), torch.from_numpy(labels[:count]).long()


# identity ---------------------------------------------------------------------------------------------


def who(p: np.ndarray) -> Tensor:
    """Unit vectors [B,EMBEDDING] that tell people apart: their identity and skin parameters, as the
    uniform numbers that the renderer uses."""
    z = torch.from_numpy(p[:, WHO])
    return F.normalize(F.pad(torch.erf(z / 2**0.5), (0, EMBEDDING - len(WHO))), dim=1)


def train_identity(folder: Path, checkpoint: Path, minutes: float) -> Iterator[Step]:
    """IR-SE network whose cosine between two portraits is that of the persons' parameters."""
    net = ArcFace((24, 48, 96, 160), (1, 2, 2, 1), 64, EMBEDDING, dropout=0.1)

    def embed(net: nn.Module, image: Tensor) -> Tensor:
        return net(identity_crop(image, 64)).float()

    def loss(net, p, image, labels):
        e, target = embed(net, image), who(p)
        gram = ((e @ e.T - target @ target.T) ** 2).mean()
        return (1 - (e * target).sum(1)).mean() + gram

    def score(net):
        p, image, _ = _held_out(folder)
        e, target = embed(net, image), who(p)
        return {
            "cosine": (e * target).sum(1).mean().item(),
            "best of 250": ((e @ target.T).argmax(1) == torch.arange(len(p))).float().mean().item(),
        }

    return (yield from fit("identity", net, loss, score, folder, checkpoint, minutes, lr=3e-3))


# perceptual -------------------------------------------------------------------------------------------


class Described(nn.Module):
    """VGG features with what they are taught by: the portrait's parameters and its label map."""

    def __init__(self, widths: tuple[int, ...] = (16, 32, 48, 64, 64)):
        super().__init__()
        self.vgg = VGG16Features(widths)
        self.parameters_head = nn.Linear(widths[4] * 16, params.COUNT)
        self.labels_head = nn.ModuleList(nn.Conv2d(w, len(LABELS), 1) for w in widths[1:4])

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """[B,3,128,128] -> p estimates [B,P] and label logits at 1/2, 1/4, 1/8."""
        taps = self.vgg(x)
        described = self.parameters_head(F.adaptive_avg_pool2d(taps[4], 4).flatten(1))
        return described, [head(t) for head, t in zip(self.labels_head, taps[1:4])]


def train_perceptual(folder: Path, checkpoint: Path, minutes: float) -> Iterator[Step]:
    """Narrow VGG16 taught to say what it sees, so that its features are worth comparing."""
    net = Described()
    shift = torch.tensor([-0.030, -0.088, -0.188]).view(1, 3, 1, 1)
    scale = torch.tensor([0.458, 0.448, 0.450]).view(1, 3, 1, 1)

    def loss(net, p, image, labels):
        described, maps = net((image - shift) / scale)
        target = torch.erf(torch.from_numpy(p) / 2**0.5)
        value = (described.float() - target).square().mean() * 3
        for k, logits in enumerate(maps):
            value = value + 0.3 * F.cross_entropy(logits.float(), labels[:, :: 2 << k, :: 2 << k])
        return value

    def score(net):
        p, image, labels = _held_out(folder)
        described, maps = net((image - shift) / scale)
        target = torch.erf(torch.from_numpy(p) / 2**0.5)
        return {
            "r2": 1 - ((described - target).square().mean() / target.var()).item(),
            "label accuracy": (maps[0].argmax(1) == labels[:, ::2, ::2]).float().mean().item(),
        }

    return (yield from fit("perceptual", net, loss, score, folder, checkpoint, minutes, lr=1.5e-3))


# encoder ----------------------------------------------------------------------------------------------


def train_encoder(folder: Path, checkpoint: Path, minutes: float, g: Generator) -> Iterator[Step]:
    """e4e layout, the first phase of its training: one style for all rows, which is asked for the
    portrait's w, as the generator's mapping gives it.  The rows' own offsets stay zero; W+ is left to the
    optimization that starts here."""
    net = Encoder4Editing(g.n_latent, g.style_dim, (32, 64, 96, 128), (1, 2, 2, 1), 64)
    for head in net.styles[1:]:
        for parameter in head.parameters():
            parameter.detach().zero_()
            parameter.requires_grad_(False)
    g.update_w_mean()
    net.latent_avg.copy_(g.w_mean.expand(g.n_latent, -1))
    with torch.no_grad():
        spread = g.mapping(torch.from_numpy(params.to_z(params.sample(4000, 1), g.z_dim, 2))).std(0).mean()

    def rows(p: np.ndarray) -> Tensor:
        with torch.no_grad(), torch.autocast("cpu", enabled=False):
            return g.mapping(torch.from_numpy(params.to_z(p, g.z_dim)))

    def first_row(net: nn.Module, image: Tensor) -> Tensor:
        small = F.avg_pool2d(image, image.shape[-1] // net.input_size)
        return net.styles[0](net.pyramid(small)[2]) + net.latent_avg[0]

    def loss(net, p, image, labels):
        return ((first_row(net, image).float() - rows(p)) / spread).square().mean()

    def score(net):
        p, image, _ = _held_out(folder)
        error = ((net(image) - rows(p)[:, None]) / spread).square().mean()
        return {"r2": 1 - error.item()}

    return (
        yield from fit("encoder", net, loss, score, folder, checkpoint, minutes, lr=4e-3, augmentation=0.5)
    )
