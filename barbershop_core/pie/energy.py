"""PIE's energy, which makes a code suitable for the rig.

E(w) = E_synth + E_identity + E_edit + E_invariance + E_recognition (PIE, equation 3), a function each.
tau is one of pose, expression, light; v a generated sample with its picture and theta; the edited picture is
I_hat = G(RigNet(w, theta_v^tau)).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..face3d.theta import Theta
from ..inversion.embed import PERCEPTUAL_SIDE
from ..networks.arcface import identity_embedding
from ..networks.resample import shrink
from ..networks.rignet import RigNet
from ..protocols import PackLike
from .face_reader import FaceReader, FaceReading, landmark_distance, photometric
from .pie_presets import PiePreset
from .sample_bank import SampleBank


@dataclass(frozen=True)
class Target:
    """The photo I: image [1,3,R,R] in [-1,1], its perceptual reference, its reading, and Psi(I) [1,D]."""

    image: Tensor
    reference: Any
    reading: FaceReading
    psi: Tensor


def target_of(pack: PackLike, reader: FaceReader, image: Tensor) -> Target:
    """What is computed once for a photo [1,3,R,R]."""
    with torch.no_grad():
        reference = pack.perceptual.reference(shrink(image, PERCEPTUAL_SIDE))
        return Target(image, reference, reader(image), identity_embedding(pack.identity, image))


def synth(pack: PackLike, target: Target, image: Tensor, preset: PiePreset) -> Tensor:
    """E_synth = l2 |I - I_w|^2 + lp |VGG(I) - VGG(I_w)|^2 (equation 4), VGG at PERCEPTUAL_SIDE px."""
    value = preset.l2 * (image - target.image).square().mean()
    if preset.perceptual:
        distance = pack.perceptual.lpips(shrink(image, PERCEPTUAL_SIDE), target.reference)
        value = value + preset.perceptual * distance.mean()
    return value


def identity(rig: RigNet, w_plus: Tensor, theta: Theta) -> Tensor:
    """E_identity = |w - RigNet(w, theta_w^tau)|^2 (equation 5): w's own tau changes nothing.

    In units of W's spread; the mean over tau.
    """
    losses = [((rig(w_plus, name, theta.tau(name)) - w_plus) / rig.w_std).square().mean() for name in rig.tau]
    return torch.stack(losses).mean()


def edit(reader: FaceReader, v: SampleBank, reading: FaceReading, name: str, preset: PiePreset) -> Tensor:
    """E_edit = l(I_v, [theta_v^(not tau), theta^tau of I_hat]) (equation 6): I_hat has v's tau.

    v: a sample.  reading: of I_hat.
    """
    theta = v.reading.theta.with_tau(name, reading.theta.tau(name))
    return face_loss(reader, v.images, v.reading.landmarks, theta, preset)


def invariance(reader: FaceReader, target: Target, reading: FaceReading, name: str, preset: PiePreset) -> Tensor:
    """E_invariance = l(I, [theta^(not tau) of I_hat, theta_I^tau]) (equation 7): nothing else changes.

    reading: of I_hat.
    """
    theta = reading.theta.with_tau(name, target.reading.theta.tau(name))
    if name == "pose":  # FFHQ alignment shifts a turned head, which is no change of the face
        theta = reader.model.solve_translation(theta, target.reading.landmarks, 1)
    return face_loss(reader, target.image, target.reading.landmarks, theta, preset)


def face_loss(reader: FaceReader, image: Tensor, landmarks: Tensor, theta: Theta, preset: PiePreset) -> Tensor:
    """l(I', theta): photometric over the face, and 66 landmarks (equations 8 to 10)."""
    value = preset.photometric * photometric(reader, image, theta, preset.side).mean()
    return value + preset.landmark * landmark_distance(reader, landmarks, theta).mean()


def recognition(pack: PackLike, target: Target, image: Tensor) -> Tensor:
    """|Psi(I) - Psi(I_w)|^2 (equation 11), Psi the pack's recognition network; used for I_w and I_hat."""
    return (identity_embedding(pack.identity, image) - target.psi).square().sum(1).mean()
