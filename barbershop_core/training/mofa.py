"""Self-supervised refinement of the theta regressor: ``python -m barbershop_core rig refine --pack P``.

MoFA (Tewari et al., "MoFA: Model-based Deep Convolutional Face Autoencoder", ICCV 2017): the network that
reads theta is followed by the face model and the rasterizer, and the picture drawn has to be the picture
read.  Our regressor begins with what renders taught it; here it goes on with the generator's own pictures,
which have no labels, and a part of every batch keeps it at what it knew.

E = w_photo |I - render(theta)|^2 over the face + w_land |landmarks - landmarks(theta)|^2 (MoFA, equations 7,
8, with the network's own landmarks) + w_keep |reading - first reading|^2 in place of equation 9's prior.
"""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ..errors import BadRequest
from ..networks.regressor import Regressor
from ..pie.face_reader import FaceReader, face_reader, landmark_distance, photometric
from ..pie.sample_bank import draw_codes
from ..progress import Step, Steps


@dataclass(frozen=True)
class Schedule:
    """minutes: of all runs together.  samples: generated pictures.  side: px at which faces are drawn."""

    minutes: float = 6.0
    samples: int = 600
    held_out: int = 60
    batch: int = 6
    side: int = 48
    lr: float = 1e-4
    photometric: float = 3.0
    landmark: float = 60.0
    keep: float = 1.0
    seed: int = 0


def refine(pack, checkpoint: Path, schedule: Schedule | None = None) -> Steps[tuple[nn.Module, dict]]:
    """Refine the pack's regressor; returns it in eval mode and its held-out figures.

    "photometric", "landmarks" before and after, on held-out generated pictures, and "moved", the mean change
    of the reading in its range of 2.  Raises errors.FaceModelMissing, BadRequest for other regressors.
    """
    s = schedule or Schedule()
    reader = face_reader(pack)
    if not isinstance(reader.net, Regressor):
        raise BadRequest("Only the portrait world's regressor is refined here.", "Use the pack 'studio'.")
    if s.minutes <= 0:
        raise BadRequest("The refinement needs some minutes.", "Give --minutes above 0; 6 are usual.")
    return _refine(pack, reader, checkpoint, s)


def _refine(pack, reader: FaceReader, checkpoint: Path, s: Schedule) -> Steps[tuple[nn.Module, dict]]:
    rng = torch.Generator().manual_seed(s.seed)
    codes = draw_codes(pack.generator, s.samples + s.held_out, rng, mixed=0.3)
    first, net = reader.net, copy.deepcopy(reader.net).requires_grad_(True)
    optimizer = torch.optim.Adam(net.parameters(), lr=s.lr)
    elapsed, index = 0.0, 0
    if checkpoint.is_file():
        saved = torch.load(checkpoint, map_location="cpu", weights_only=True)
        net.load_state_dict(saved["net"])
        optimizer.load_state_dict(saved["optimizer"])
        elapsed, index = saved["elapsed"], saved["index"]
    trained = FaceReader(reader.model, net.eval())  # batch statistics stay those of the renders
    held = codes[: s.held_out]
    before = _scores(pack, reader, reader, held, s)
    began, total = time.monotonic() - elapsed, 60 * s.minutes
    while elapsed < total:
        elapsed = time.monotonic() - began
        rows = torch.randint(s.held_out, len(codes), (s.batch,), generator=rng)
        with torch.no_grad():
            image = pack.generator.synthesis(codes[rows], resolution=pack.working_size).clamp(-1, 1)
            known = first(image)
        terms = _terms(trained, image, s)
        moving = net(image)
        moved = (
            moving.p - known.p,
            moving.landmarks - known.landmarks,
            (moving.theta - known.theta) / net.theta_std,
        )
        terms["keep"] = s.keep * sum(part.square().mean() for part in moved)
        optimizer.zero_grad(set_to_none=True)
        sum(terms.values()).backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        index += 1
        if index % 20 == 0 or elapsed >= total:
            state = {"net": net.state_dict(), "optimizer": optimizer.state_dict()}
            torch.save({**state, "elapsed": elapsed, "index": index}, checkpoint.with_suffix(".part"))
            checkpoint.with_suffix(".part").replace(checkpoint)
            yield Step("refine", int(elapsed), int(total), {k: float(v.detach()) for k, v in terms.items()})
    after = _scores(pack, trained, reader, held, s)
    scores = {f"{name} before": value for name, value in before.items() if name != "moved"}
    return net.eval().requires_grad_(False), {**scores, **after}


def _terms(reader: FaceReader, image: Tensor, s: Schedule) -> dict[str, Tensor]:
    reading = reader(image)
    return {
        "photometric": s.photometric * photometric(reader, image, reading.theta, s.side).mean(),
        "landmark": s.landmark * landmark_distance(reader, reading.landmarks, reading.theta).mean(),
    }


@torch.no_grad()
def _scores(pack, reader: FaceReader, first: FaceReader, codes: Tensor, s: Schedule) -> dict[str, float]:
    """Root mean square of the drawn face's colours (0..1), landmarks' distance in px of 128, and how far
    the reading moved."""
    found: dict[str, list[float]] = {"photometric": [], "landmarks": [], "moved": []}
    for part in codes.split(12):
        image = pack.generator.synthesis(part, resolution=pack.working_size).clamp(-1, 1)
        reading = reader(image)
        found["photometric"].append(float(photometric(reader, image, reading.theta, s.side).mean()))
        found["landmarks"].append(float(landmark_distance(reader, reading.landmarks, reading.theta).mean()))
        found["moved"].append(float((reader.net(image).p - first.net(image).p).abs().mean()))
    mean = {name: sum(values) / len(values) for name, values in found.items()}
    return mean | {"photometric": mean["photometric"] ** 0.5, "landmarks": 128 * mean["landmarks"] ** 0.5}
