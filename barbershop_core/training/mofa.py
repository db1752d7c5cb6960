"""Self-supervised refinement of the theta regressor: ``python -m barbershop_core rig refine --pack P``.

MoFA (Tewari et al., "MoFA: Model-based Deep Convolutional Face Autoencoder", ICCV 2017): the regressor's
theta is rendered by the face model, and the rendering has to match the picture.  The world's regressor is
trained on labelled renders first; here it is trained on unlabelled pictures of the generator, with a term
that keeps its readings close to those of the start.

E = w_photo |I - render(theta)|^2 over the face + w_land |landmarks - landmarks(theta)|^2 (MoFA, equations 7,
8, with the network's own landmarks) + w_keep |reading - first reading|^2 in place of equation 9's prior.
"""

from __future__ import annotations

import copy
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from ..errors import BadRequest
from ..memory import pictures_at_once
from ..networks.regressor import Regressor
from ..pie.face_reader import FaceReader, face_reader, landmark_distance, photometric
from ..pie.sample_bank import draw_codes
from ..progress import Step, Steps
from ..protocols import PackLike
from . import checkpoints


@dataclass(frozen=True)
class Schedule:
    """minutes: of all runs together.  samples, held_out: generated pictures to train on and to score.
    batch: pictures per step.  side: px at which faces are rendered.  lr: of Adam.
    photometric, landmark, keep: weights of the terms of E.
    """

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


def refine(pack: PackLike, checkpoint: Path, schedule: Schedule | None = None) -> Steps[tuple[nn.Module, dict]]:
    """Refine the pack's regressor on pictures of its generator.

    checkpoint: written during training, and resumed if it is of the same schedule (but for ``minutes``) and
        the same networks.

    Yields the stage "refine"; returns the network and "photometric", "landmarks", each also as
    "... before", on held-out generated pictures, and "moved", the mean change of the parameters, whose
    range is -1..1.  Raises errors.FaceModelMissing, BadRequest for other regressors.
    """
    s = schedule or Schedule()
    reader = face_reader(pack)
    if not isinstance(reader.net, Regressor):
        raise BadRequest("Only the portrait world's regressor can be refined.", "Use the pack 'studio'.")
    if s.minutes <= 0:
        raise BadRequest("The refinement needs a positive time.", "Give --minutes above 0; 6 are usual.")
    return _refine(pack, reader, checkpoint, s)


def _refine(pack: PackLike, reader: FaceReader, checkpoint: Path, s: Schedule) -> Steps[tuple[nn.Module, dict]]:
    rng = torch.Generator().manual_seed(s.seed)
    codes = draw_codes(pack.generator, s.samples + s.held_out, rng, mixed=0.3)
    first, net = reader.net, copy.deepcopy(reader.net).requires_grad_(True)
    optimizer = torch.optim.Adam(net.parameters(), lr=s.lr)
    identity = {
        "schedule": asdict(replace(s, minutes=0.0)),
        "networks": checkpoints.digest(pack.generator, first, reader.model),
    }
    elapsed, index = 0.0, 0
    saved = checkpoints.load(checkpoint, identity)
    if saved is not None:
        net.load_state_dict(saved["net"])
        optimizer.load_state_dict(saved["optimizer"])
        elapsed, index = saved["elapsed"], saved["index"]
    refined = FaceReader(reader.model, net.eval())  # batch statistics stay those of the renders
    held = codes[: s.held_out]
    before = _scores(pack, reader, reader, held, s)
    began, total = time.monotonic() - elapsed, 60 * s.minutes
    while elapsed < total:
        elapsed = time.monotonic() - began
        rows = torch.randint(s.held_out, len(codes), (s.batch,), generator=rng)
        with torch.no_grad():
            image = pack.generator.synthesis(codes[rows], side=pack.working_size).clamp(-1, 1)
            old = first(image)
        terms = _terms(refined, image, s)
        new = net(image)
        changes = (new.p - old.p, new.landmarks - old.landmarks, (new.theta - old.theta) / net.theta_std)
        terms["keep"] = s.keep * sum(change.square().mean() for change in changes)
        optimizer.zero_grad(set_to_none=True)
        sum(terms.values()).backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        index += 1
        if index % 20 == 0 or elapsed >= total:
            state = {"net": net.state_dict(), "optimizer": optimizer.state_dict()}
            checkpoints.save(checkpoint, {**state, "elapsed": elapsed, "index": index}, identity)
            yield Step("refine", int(elapsed), int(total), {k: float(v.detach()) for k, v in terms.items()})
    after = _scores(pack, refined, reader, held, s)
    scores = {f"{name} before": value for name, value in before.items() if name != "moved"}
    return net.eval().requires_grad_(False), {**scores, **after}


def _terms(reader: FaceReader, image: Tensor, s: Schedule) -> dict[str, Tensor]:
    reading = reader(image)
    return {
        "photometric": s.photometric * photometric(reader, image, reading.theta, s.side).mean(),
        "landmark": s.landmark * landmark_distance(reader, reading.landmarks, reading.theta).mean(),
    }


@torch.no_grad()
def _scores(pack: PackLike, reader: FaceReader, first: FaceReader, codes: Tensor, s: Schedule) -> dict[str, float]:
    """Root mean square error of the rendered face ("photometric", colours in 0..1), distance of the landmarks
    in px of 128 ("landmarks"), and mean absolute change of the parameters since ``first`` ("moved")."""
    found: dict[str, list[float]] = {"photometric": [], "landmarks": [], "moved": []}
    for part in codes.split(pictures_at_once(pack.generator, 12)):
        image = pack.generator.synthesis(part, side=pack.working_size).clamp(-1, 1)
        reading = reader(image)
        found["photometric"].append(float(photometric(reader, image, reading.theta, s.side).mean()))
        found["landmarks"].append(float(landmark_distance(reader, reading.landmarks, reading.theta).mean()))
        found["moved"].append(float((reader.net(image).p - first.net(image).p).abs().mean()))
    mean = {name: sum(values) / len(values) for name, values in found.items()}
    return mean | {"photometric": mean["photometric"] ** 0.5, "landmarks": 128 * mean["landmarks"] ** 0.5}
