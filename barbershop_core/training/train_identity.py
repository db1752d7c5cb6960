"""The studio pack's identity network: an IR-SE net (ArcFace's) that knows who a portrait shows.

Of a render the parameters say who it shows; of a photograph a trained face recognition network does
(``mobilefacenet``).  The cosines of two portraits are to be those of their parameters or of the teacher, and
no render is anybody in a photograph.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..networks.arcface import ArcFace, identity_crop
from ..photo.pixels import from_uint8
from ..progress import Steps
from ..world import params
from . import labelled_photos, mobilefacenet, timebox
from .augment import degrade
from .batches import Batches, held_out

WHO = params.indices("identity", "skin")
"""What makes a person: bones and colours, not hair, expression or light."""
EMBEDDING = 128
BATCH = 48
"""Renders in a batch, and photographs."""
ALIKE = 0.3
"""Cosine from which two portraits count as alike; the teacher's exceeds it for 2 in 100 pairs of people."""


def who(p: np.ndarray) -> Tensor:
    """Unit vectors [B,W] that tell people apart: their identity and skin parameters, made uniform."""
    return F.normalize(torch.erf(torch.from_numpy(p[:, WHO]) / 2**0.5), dim=1)


@torch.no_grad()
def taught(images: np.ndarray, teacher: nn.Module) -> Tensor:
    """The teacher's unit vectors [N,128] of aligned portraits uint8 [N,S,S,3], mean of each and its mirror image."""
    parts = []
    for image in (from_uint8(images[k : k + 64]) for k in range(0, len(images), 64)):
        parts.append(sum(teacher(mobilefacenet.crop(view)) for view in (image, image.flip(-1))))
    return F.normalize(torch.cat(parts), dim=1)


def train(
    folder: Path, photos: Path | None, checkpoint: Path, minutes: float
) -> Steps[tuple[nn.Module, dict[str, float]]]:
    """Fit to the pool in ``folder``, and to ``faces192.tar`` in ``photos`` as ``mobilefacenet_068.ckpt`` sees it.

    Returns the `ArcFace` in eval mode and its held-out figures.
    """
    torch.manual_seed(0)
    net = ArcFace((24, 48, 96, 160), (1, 2, 2, 1), 64, EMBEDDING, dropout=0.1)
    batches, photographs = Batches(folder, 0), None if photos is None else _Photographs(photos)

    def loss(index: int) -> Tensor:
        batches.rng = np.random.default_rng([0, index])
        rng = torch.Generator().manual_seed(index)  # of the changes
        p, image, _ = batches.draw(BATCH, 128)
        seen, wanted = [degrade(image, rng, 2.0)], who(p) @ who(p).T
        if photographs is not None:
            photo, vectors = photographs.draw(batches.rng)
            seen.append(degrade(photo, rng, 2.0))
            wanted = torch.block_diag(wanted, vectors @ vectors.T)
        with torch.autocast("cpu", torch.bfloat16):
            e = net(identity_crop(torch.cat(seen), 64)).float()
        error = (e @ e.T - wanted).square() * (1 - torch.eye(len(e)))
        alike = (wanted > ALIKE).float()  # few pairs are alike, and they matter as much as all others
        return error.mean() + (error * alike).sum() / alike.sum()

    def score() -> dict[str, float]:
        return scores(net, folder, photos)

    return (yield from timebox.train("identity", net, loss, score, checkpoint, minutes, lr=3e-3))


class _Photographs:
    """The photographs that are trained on, and the teacher's vectors."""

    def __init__(self, folder: Path):
        self.images, self.people = labelled_photos.face_arrays(folder, 128)
        teacher = mobilefacenet.load(folder / "mobilefacenet_068.ckpt")
        self.vectors = taught(labelled_photos.face_arrays(folder, 192)[0], teacher)

    def draw(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """BATCH photographs, two of each person, half of them mirrored; their vectors [BATCH,128]."""
        chosen = rng.choice(np.unique(self.people), BATCH // 2, replace=False)
        rows = np.concatenate([rng.choice(np.flatnonzero(self.people == person), 2) for person in chosen])
        rows = rng.permutation(rows)  # `degrade` changes pictures by their place
        mirrored = rng.random((BATCH, 1, 1, 1)) < 0.5
        images = np.where(mirrored, self.images[rows][:, :, ::-1], self.images[rows])
        return from_uint8(images), self.vectors[rows]


def embedded(net: nn.Module, images: np.ndarray) -> Tensor:
    """Unit vectors [N,D] of aligned portraits uint8 [N,S,S,3]."""
    parts = (from_uint8(images[k : k + 64]) for k in range(0, len(images), 64))
    return torch.cat([net(identity_crop(part, net.input_size)) for part in parts])


@torch.no_grad()
def scores(net: nn.Module, folder: Path, photos: Path | None) -> dict[str, float]:
    """Held-out figures.

    "renders": correlation of the cosines of all pairs with those of their parameters.  Of photographs: mean
    cosine of two of one person, and of two people; area under the ROC curve; the cosine that 1 of 100 pairs of
    people exceeds, and the share of pairs of one person that does.
    """
    p, image, _ = held_out(folder)
    e, target = net(identity_crop(image, net.input_size)), who(p)
    above = tuple(torch.triu_indices(len(p), len(p), 1))
    figures = {"renders": torch.corrcoef(torch.stack([(e @ e.T)[above], (target @ target.T)[above]]))[0, 1].item()}
    if photos is None:
        return figures
    faces, people = labelled_photos.face_arrays(photos, 128, True)
    e, people = embedded(net, faces), torch.from_numpy(people)
    above = tuple(torch.triu_indices(len(faces), len(faces), 1))
    cosines, alike = (e @ e.T)[above], (people[:, None] == people)[above]
    same, others = cosines[alike], cosines[~alike].sort().values
    limit = others[int(0.99 * len(others))]
    return figures | {
        "same person": same.mean().item(),
        "other people": others.mean().item(),
        "roc area": (torch.searchsorted(others, same).float() / len(others)).mean().item(),
        "1 of 100 others above": limit.item(),
        "same above that": (same > limit).float().mean().item(),
    }
