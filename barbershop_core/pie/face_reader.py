"""theta of a picture: the paper's MoFA, by whichever network the pack has.

A regressor of the portrait world reads the world's parameters, from which theta is computed; a
Deep3DFaceRecon or 3DDFA-V3 checkpoint reads the 257 numbers of a Basel model.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..errors import FaceModelMissing
from ..face3d.deep3d import Face3D
from ..face3d.morphable import LANDMARKS_66, Morphable
from ..face3d.theta import Theta
from ..networks.regressor import Regressor
from ..networks.resample import resize
from ..protocols import PackLike


@dataclass(frozen=True)
class FaceReading:
    """What the reader finds in a batch of pictures.

    theta: the faces.  landmarks [B,68,2]: in shares of the picture's side, y down.  rest [B,K]: what else the
    network reads (hair, clothes, background), about -1..1; K may be 0.
    """

    theta: Theta
    landmarks: Tensor
    rest: Tensor

    def __getitem__(self, rows: Tensor) -> FaceReading:
        return FaceReading(self.theta[rows], self.landmarks[rows], self.rest[rows])


class FaceReader:
    """Pictures [B,3,R,R] in [-1,1] -> :class:`FaceReading`, differentiable.

    ``model`` renders theta, ``net`` reads it.
    """

    def __init__(self, model: Morphable, net: Regressor | Face3D):
        self.model, self.net = model, net

    def __call__(self, image: Tensor) -> FaceReading:
        if isinstance(self.net, Regressor):
            return self._of_world(image)
        theta = self.net.theta(image, self.model)
        return FaceReading(theta, self.model.shares(theta), image.new_zeros(len(image), 0))

    def _of_world(self, image: Tensor) -> FaceReading:
        # imported here because only packs of the portrait world need its renderer
        from ..world import params
        from ..world.morphable_head import theta_of_reading

        reading = self.net(image)
        rest = params.indices("hair_shape", "hair_color", "extras", "cloth", "background")
        theta = theta_of_reading(self.model, reading)
        return FaceReading(theta, reading.landmarks, reading.p[:, rest])


def face_reader(pack: PackLike) -> FaceReader:
    """The pack's reader.

    Raises errors.FaceModelMissing, which names the command to download them, if the pack has no face model
    or no network that reads theta.
    """
    model, net = pack.optional("face_model"), pack.optional("regressor")
    if model is None or net is None:
        what = "face model" if model is None else "network that reads faces in 3D"
        raise FaceModelMissing(
            f"The pack '{pack.name}' has no {what} here.", FaceModelMissing.remedy.format(pack=pack.name)
        )
    return FaceReader(model, net)


def read(reader: FaceReader, image: Tensor) -> Theta:
    """theta of a picture [1,3,R,R]; of its expression, which is the same mirrored, the mean of two readings."""
    theta = reader(torch.cat([image, image.flip(-1)])).theta
    return replace(theta[0], expression=theta.expression.mean(0, keepdim=True))


def photometric(reader: FaceReader, image: Tensor, theta: Theta, size: int = 64) -> Tensor:
    """Mean squared difference between pictures and the rendered theta, over the face's pixels [B].

    image: [B,3,R,R] in [-1,1]; compared at ``size`` px (PIE, equation 8, first term).
    """
    drawn = reader.model.render(theta, size)
    pixels = (resize(image, size) if image.shape[-1] != size else image) / 2 + 0.5
    difference = ((drawn.image - pixels) * drawn.mask).square().sum((1, 2, 3))
    return difference / (3 * drawn.mask.sum((1, 2, 3)).clamp_min(1))


def landmark_distance(reader: FaceReader, landmarks: Tensor, theta: Theta) -> Tensor:
    """Mean squared distance of 66 landmarks to theta's, in shares of the picture [B] (second term)."""
    drawn = reader.model.shares(theta)
    if not drawn.shape[1]:
        return landmarks.new_zeros(len(landmarks))
    kept = torch.tensor(LANDMARKS_66, device=landmarks.device)
    return (landmarks[:, kept] - drawn[:, kept]).square().sum(-1).mean(1)
