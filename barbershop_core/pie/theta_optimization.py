"""The rig's edits without RigNet: the code is moved until its picture shows the theta that is asked for.

For packs whose rig nobody has trained.  The recognition and the invariance terms of the embedding's energy
keep the person and all other parts of theta; the P-norm keeps the code likely.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..face3d.theta import TAU, Theta
from ..inversion.minimise import ramp_down
from ..photo.pixels import to_uint8
from ..progress import Step, Steps
from . import energy

KEPT = ("identity", "texture", "expression", "light", "rotation")
WEIGHTS = {"asked": 1.0, "kept": 0.15, "recognition": 0.5, "near": 0.15, "rest": 1.0}


def edit(session, wanted: Theta, taus: tuple[str, ...]) -> Steps[Tensor]:
    """W+ [1,L,D] whose picture shows ``wanted``.

    session: `session.RigSession`.  taus: what is to change.  Yields the stage "optimize pose".
    """
    pack, reader, preset = session.pack, session.reader, session.preset
    start, own = session.embedded.w_plus, session.theta
    parts = [TAU[name] for name in taus]
    scale = {
        name: (getattr(wanted, name) - getattr(own, name)).square().mean().clamp_min(1e-6) for name in parts
    }
    spread = pack.pnorm.stdev.square().mean().sqrt().clamp_min(1e-4)
    code = start.clone().requires_grad_(True)
    rate = 0.05 * float(start.std().clamp_min(1e-3))
    optimizer = torch.optim.Adam([code], lr=rate)
    total = preset.optimize_steps
    with torch.no_grad():
        rest = reader(session.embedded.image).rest
    for index in range(total):
        optimizer.param_groups[0]["lr"] = rate * ramp_down(index, total, 0.4)
        optimizer.zero_grad(set_to_none=True)
        with torch.enable_grad():
            image = pack.generator.synthesis(code, resolution=pack.working_size)
            reading = reader(image)
            shown = reading.theta
            terms = {
                "asked": sum(
                    (getattr(shown, n) - getattr(wanted, n)).square().mean() / scale[n] for n in parts
                ),
                "kept": sum(
                    (getattr(shown, n) - getattr(own, n)).square().mean() for n in KEPT if n not in parts
                ),
                "recognition": energy.recognition(pack, session.embedded.target, image),
                "near": ((code - start) / spread).square().mean(),
            }
            if reading.rest.shape[1]:
                terms["rest"] = (reading.rest - rest).square().mean()
            terms = {name: WEIGHTS[name] * value for name, value in terms.items()}
            sum(terms.values()).backward()
        optimizer.step()
        values = {name: float(value.detach()) for name, value in terms.items()}
        picture = image.detach()
        yield Step("optimize pose", index + 1, total, values, lambda x=picture: to_uint8(x)[0].numpy())
    return code.detach()
