"""The rig's edits without RigNet: a code is optimized until its picture has the theta requested.

For packs without a trained rig.  The recognition term of PIE's energy (equation 11) keeps the person, and
further terms keep the other parts of theta, the rest of the reading, and the code near its start.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..face3d.theta import TAU, Theta
from ..inversion.minimise import minimise
from ..progress import Steps
from ..protocols import PackLike
from . import energy
from .embedding import Embedded
from .face_reader import FaceReader

KEPT = ("identity", "texture", "expression", "light", "rotation")
WEIGHTS = {"asked": 1.0, "kept": 0.15, "recognition": 0.5, "near": 0.15, "rest": 1.0}


def edit(
    pack: PackLike,
    reader: FaceReader,
    embedded: Embedded,
    own: Theta,
    wanted: Theta,
    taus: tuple[str, ...],
    iterations: int,
) -> Steps[Tensor]:
    """W+ [1,L,D] whose picture has the parts ``taus`` of ``wanted``.  Yields the stage "optimize pose".

    own: theta of the embedded picture, of which the other parts are kept.
    """
    start = embedded.w_plus
    parts = [TAU[name] for name in taus]
    kept = [name for name in KEPT if name not in parts]
    spread = pack.pnorm.stdev.square().mean().sqrt().clamp_min(1e-4)
    code = start.clone().requires_grad_(True)
    with torch.no_grad():
        rest = reader(embedded.image).rest

    def distance(a: Theta, b: Theta, name: str) -> Tensor:
        return (getattr(a, name) - getattr(b, name)).square().mean()

    scale = {name: distance(wanted, own, name).clamp_min(1e-6) for name in parts}

    def objective(index: int) -> tuple[Tensor, dict[str, Tensor]]:
        image = pack.generator.synthesis(code, side=pack.working_size)
        reading = reader(image)
        terms = {
            "asked": sum(distance(reading.theta, wanted, name) / scale[name] for name in parts),
            "kept": sum(distance(reading.theta, own, name) for name in kept),
            "recognition": energy.recognition(pack, embedded.target, image),
            "near": ((code - start) / spread).square().mean(),
        }
        if rest.shape[1]:
            terms["rest"] = (reading.rest - rest).square().mean()
        return image, {name: WEIGHTS[name] * value for name, value in terms.items()}

    rate = 0.05 * float(start.std().clamp_min(1e-3))
    yield from minimise("optimize pose", iterations, [(code, rate)], objective, ramp=0.4)
    return code.detach()
