"""Random networks of the published sizes, with activations and outputs of the size that trained ones have.

Untrained deep networks let signals die out or explode.  :func:`settle` sets the running statistics of batch
norms from one batch, and last layers are scaled to a known spread over generated pictures.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..face3d.deep3d import HEADS, Face3D, _backbone
from ..networks import clip
from ..networks import stylegan2_ops as ops
from ..networks.arcface import ArcFace, identity_crop
from ..networks.bisenet import BiSeNet
from ..networks.clip import Clip
from ..networks.e4e import Encoder4Editing
from ..networks.resample import resize
from ..networks.stylegan2 import Generator
from ..networks.vgg import PUBLISHED_WIDTHS, VGG16Features

W_MEAN, W_SPREAD = (-0.32, 0.27), 0.8
"""FFHQ's W before the last leaky ReLU: mean and spread of its mean over the 512 numbers, and its standard
deviation (Barbershop's ``ffhq_PCA.npz``)."""
W_DECAY = 0.7
"""The k-th principal axis of W has a standard deviation of about k**-0.7 times the first's."""
STYLE = (6.0, 8.0, 1.4)
"""FFHQ's S in convolutions: mean over the channels, their spread, standard deviation over portraits (StyleCLIP's
``S_mean_std``)."""
RGB_STYLE = (0.0, 0.05, 0.15)
"""The same of to-RGB layers."""
NOISE = 0.1
"""Strength of each layer's noise, relative to activations of unit variance (a guess)."""
RGB = {4: 0.05, 8: 0.1, 16: 0.2, 32: 0.25, 64: 0.25, 128: 0.2, 256: 0.12, 512: 0.06, 1024: 0.03}
"""Standard deviation of what each resolution adds to the picture: all are alive, the middle ones most (a guess)."""
COMMON = ("background", "skin", "hair")
"""Regions that the random parser finds more often than others."""


@dataclass(frozen=True)
class Sizes:
    """size: of the pictures, px.  narrow: divides all widths (1: as published).  vertices: of the face model, about."""

    size: int = 1024
    narrow: int = 1
    vertices: int = 35_709

    def __call__(self, *widths: int, least: int = 4) -> tuple[int, ...]:
        """Published widths, narrowed."""
        return tuple(max(least, width // self.narrow) for width in widths)


@torch.no_grad()
def settle(net: nn.Module, forward, batches: Iterable[Tensor]) -> nn.Module:
    """Set the running statistics of all batch norms in ``net`` from ``forward`` of the batches."""
    norms = [m for m in net.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.momentum = None  # cumulative mean
        norm.train()
    for batch in batches:
        forward(batch)
    for norm in norms:
        norm.eval()
    return net.eval()


@torch.no_grad()
def generator(sizes: Sizes) -> Generator:
    """StyleGAN2 config F with FFHQ's statistics of W and S, noise, and to-RGB layers that are all alive."""
    widths = dict(zip((4, 8, 16, 32, 64, 128, 256, 512, 1024), sizes(512, 512, 512, 512, 512, 256, 128, 64, 32)))
    net = Generator(sizes.size, sizes(512)[0], 8, {r: c for r, c in widths.items() if r <= sizes.size})
    _shape_w(net)
    net.update_w_mean()
    for layer, _ in net._affines():
        mean, spread, deviation = STYLE if layer.conv.weight.shape[-1] == 3 else RGB_STYLE
        bias = mean + spread * torch.randn_like(layer.conv.modulation.bias)
        w = net.mapping(torch.randn(500, net.z_dim))
        layer.conv.modulation.bias.zero_()
        layer.conv.modulation.weight.mul_(deviation / layer.conv.modulation(w).std(0).mean())
        layer.conv.modulation.bias.copy_(bias - layer.conv.modulation(net.w_mean[None])[0])
        if hasattr(layer, "noise"):
            layer.noise.weight.fill_(NOISE)
    _shape_rgb(net)
    return net.eval()


def _shape_w(net: Generator) -> None:
    """The last layer of the mapping network: W_MEAN, W_SPREAD, W_DECAY."""
    last, width = net.style[-1], net.style_dim
    before = net.style[:-1](torch.randn(4000, net.z_dim))
    centred = before - before.mean(0)
    whitening = torch.linalg.inv(torch.linalg.cholesky(torch.cov(centred.T) + 1e-4 * torch.eye(width)))
    spectrum = torch.arange(1, width + 1) ** -W_DECAY
    spectrum *= W_SPREAD / spectrum.square().mean().sqrt()
    axes = torch.linalg.qr(torch.randn(width, width)).Q
    # PNorm's convention includes the leaky ReLU's gain.
    wanted = axes @ torch.diag(spectrum) @ whitening / ops.GAIN
    last.weight.copy_(wanted / last.scale)
    mean = (W_MEAN[0] + W_MEAN[1] * torch.randn(width)) / ops.GAIN
    last.bias.copy_((mean - wanted @ before.mean(0)) / last.lr)


def _shape_rgb(net: Generator) -> None:
    """Scale each to-RGB layer so that it adds RGB to the picture."""
    styles = net.styles(net.mapping(torch.randn(1, net.z_dim)))
    layers = {4: net.to_rgb1, **dict(zip(net.resolutions[1:], net.to_rgbs))}
    start = None
    for resolution, layer in layers.items():
        below = None if start is None else start
        state = net.state(styles, resolution, below)
        alone = state.skip
        if below is not None:
            layer_only = net.state(styles, resolution, type(below)(below.resolution, below.x, 0 * below.skip)).skip
            alone = layer_only
        layer.conv.weight.mul_(RGB[resolution] / alone.std())
        start = net.state(styles, resolution, below)


@torch.no_grad()
def pictures(net: Generator, count: int, side: int = 256) -> Tensor:
    """Generated pictures [count,3,S,S] in [-1,1], S = ``side`` at most."""
    made = [net.synthesis(net.mapping(torch.randn(1, net.z_dim)), side=min(side, net.size)) for _ in range(count)]
    return torch.cat(made).clamp(-1, 1)


@torch.no_grad()
def parser(sizes: Sizes, seen: Tensor, names: tuple[str, ...]) -> BiSeNet:
    """A parser of the regions ``names`` that finds each of them somewhere, and COMMON ones most."""
    net = BiSeNet(len(names), sizes(64, 128, 256, 512))
    seen = resize(seen, 512) if sizes.narrow == 1 else seen
    settle(net, net.forward_all, seen.split(2))
    net.train(False)
    features = []
    hook = net.conv_out.conv.register_forward_hook(lambda _, __, out: features.append(out.movedim(1, -1).flatten(0, 2)))
    net(seen)
    hook.remove()
    flat = torch.cat(features)
    weight = net.conv_out.conv_out.weight[:, :, 0, 0]
    weight -= (weight @ flat.mean(0))[:, None] * flat.mean(0) / flat.mean(0).square().sum()  # logits of mean 0
    weight /= (flat @ weight.T).std(0)[:, None]
    more = torch.tensor([1.0 if name in COMMON else 0.0 for name in names])
    weight += more[:, None] * flat.mean(0) / flat.mean(0).square().sum()
    net.conv_out.conv_out.weight.copy_(4 * weight[:, :, None, None])
    return net


@torch.no_grad()
def identity(sizes: Sizes, seen: Tensor) -> ArcFace:
    """IR-SE-50."""
    net = ArcFace(sizes(64, 128, 256, 512), embedding=sizes(512)[0], reduction=4 if sizes.narrow > 4 else 16)
    return settle(net, lambda x: net(identity_crop(x, net.input_size)), [seen])


@torch.no_grad()
def encoder(sizes: Sizes, made: Generator, seen: Tensor) -> Encoder4Editing:
    """e4e; its codes lie around the mean as those of portraits do (a third of W's spread)."""
    reduction = 4 if sizes.narrow > 4 else 16
    net = Encoder4Editing(made.n_latent, made.style_dim, sizes(64, 128, 256, 512), reduction=reduction)
    seen = resize(seen[:2], 256) if seen.shape[-1] > 256 else seen[:2]
    settle(net, net, [seen])
    rows = net.offsets(seen if seen.shape[-1] == 256 else F.interpolate(seen, (256, 256)))
    rows[:, 1:] -= rows[:, :1]  # what each head adds to the first
    for head, row in zip(net.styles, rows.unbind(1)):
        scale = W_SPREAD / 3 / row.std().clamp_min(1e-6)
        head.linear.weight.mul_(scale)
        head.linear.bias.mul_(scale)
    net.latent_avg.copy_(made.w_mean.expand(made.n_latent, -1))
    return net


def perceptual(sizes: Sizes) -> VGG16Features:
    """VGG16 without its classifier."""
    return VGG16Features(sizes(*PUBLISHED_WIDTHS))


def words(sizes: Sizes) -> Clip:
    """CLIP ViT-B/32."""
    if sizes.narrow == 1:
        vision = {"layers": 12, "width": 768, "patch_size": 32, "image_size": 224}
        return clip.build(512, vision, {"width": 512, "heads": 8, "layers": 12})
    vision = {"layers": 1, "width": 64, "patch_size": 32, "image_size": 64}
    text = {"context_length": 32, "vocab_size": 600, "width": 64, "heads": 1, "layers": 1}
    return clip.build(sizes(512)[0], vision, text)


@torch.no_grad()
def regressor(seen: Tensor) -> Face3D:
    """Deep3DFaceRecon's ResNet-50: faces near the mean one, turned by some degrees, in moderate light."""
    net = Face3D(_backbone(), 2048)
    seen = resize(seen, 224) / 2 + 0.5
    settle(net, net, seen.split(4))
    features = torch.cat([net.backbone(part).reshape(len(part), -1) for part in seen.split(4)])
    mean, spread = features.mean(0), features.std(0)
    for layer, deviation in zip(net.final_layers, (0.7, 0.7, 0.7, 0.12, 0.15, 0.05, 0.05)):
        weight = torch.randn(layer.weight.shape[:2])
        weight *= deviation / ((features - mean) @ weight.T).std(0).clamp_min(1e-6)[:, None]
        layer.weight.copy_(weight[:, :, None, None])
        layer.bias.copy_(-(weight @ mean))
    assert len(net.final_layers) == len(HEADS) and bool(spread.isfinite().all())
    return net


def face_model(sizes: Sizes, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """A bulged sheet with a nose, in the arrays of 3DDFA-V3's ``face_model.npy`` (units of 100 mm, colours 0..255).

    Its 68 landmarks lie on rings, not where a face's lie; its bases are smooth waves.
    """
    side = round(sizes.vertices**0.5)
    y, x = np.mgrid[1 : -1 : side * 1j, -1 : 1 : side * 1j]
    z = 0.7 * np.sqrt(np.clip(1.3 - x**2 - y**2 / 1.5, 0, None)) + 0.25 * np.exp(-30 * x**2 - 12 * (y + 0.1) ** 2)
    mean = np.stack([0.75 * x, y, z - z.mean()], -1).reshape(-1, 3)
    place = np.arange(side * side).reshape(side, side)
    a, b, c, d = (part.reshape(-1) for part in (place[:-1, :-1], place[:-1, 1:], place[1:, :-1], place[1:, 1:]))
    faces = np.concatenate([np.stack([a, c, b], 1), np.stack([b, c, d], 1)])  # counter-clockwise from outside
    waves = np.stack(
        [
            np.cos(np.pi * (i * x + j * y + phase)) / (1 + i + abs(j))
            for i in range(4)
            for j in range(-3, 4)
            for phase in (0, 0.5)
        ],
        -1,
    ).reshape(side * side, -1)

    def basis(count: int, scale: float) -> np.ndarray:
        mixed = rng.standard_normal((waves.shape[1], 3 * count), np.float32) * scale / np.arange(1, count + 1).repeat(3)
        field = waves.astype(np.float32) @ mixed.reshape(-1, count, 3).reshape(waves.shape[1], -1)
        return field.reshape(-1, count, 3).transpose(0, 2, 1).reshape(-1, count).astype(np.float32)

    turn = np.linspace(0, 2 * np.pi, 34, endpoint=False)
    rings = [np.round((1 + scale * np.stack([np.sin(turn), np.cos(turn)], 1)) * (side - 1) / 2) for scale in (0.8, 0.4)]
    rows = np.concatenate(rings).astype(int)
    return {
        "u": mean.reshape(-1, 1).astype(np.float32),
        "id": basis(80, 0.02),
        "exp": basis(64, 0.02),
        "u_alb": np.tile([180.0, 130.0, 110.0], side * side).reshape(-1, 1).astype(np.float32),
        "alb": basis(80, 6.0),
        "tri": faces,
        "point_buf": _around(faces, side * side),
        "ldm68": rows[:, 0] * side + rows[:, 1],
    }


def _around(faces: np.ndarray, vertices: int, most: int = 8) -> np.ndarray:
    """The faces around each vertex [V,8], padded with the number of faces."""
    table = np.full((vertices, most), len(faces))
    corner = faces.reshape(-1)
    order = corner.argsort(kind="stable")
    counts = np.bincount(corner, minlength=vertices)
    slot = np.arange(len(corner)) - (counts.cumsum() - counts)[corner[order]]
    table[corner[order], slot] = order // 3
    return table


def relative_changes(count: int, width: int) -> Tensor:
    """A random table of directions: unit rows [count,width]."""
    return F.normalize(torch.randn(count, width), dim=1)
