"""Figures of a trained rig on held-out samples."""

from __future__ import annotations

import torch

from ..memory import pictures_at_once
from ..networks.arcface import identity_embedding
from ..networks.rignet import RigNet
from ..pie.face_reader import FaceReader
from ..pie.sample_bank import SampleBank, concatenate
from ..progress import Step, Steps
from ..protocols import PackLike
from .rig_description import Description


def held_out(
    pack: PackLike, reader: FaceReader, rig: RigNet, held: SampleBank, count: int = 96
) -> Steps[dict[str, float]]:
    """Figures on held-out samples, each of which gets the tau of another one.

    "yaw deg", "pitch deg", "roll deg": mean error of the angles that the regressor reads in the picture.
    "expression", "light": error of tau relative to the change requested, root of the ratio of mean squares.
    "<tau> others": change of all other theta, in units of its spread.  "<tau> identity": cosine.
    """
    rows = torch.arange(min(count, len(held)), device=pack.device)
    held, other = held.rows(rows), rows.roll(1)
    at_once = pictures_at_once(pack.generator, 16)
    describe, scores = Description(held), {}
    with torch.no_grad():
        before = torch.cat(
            [
                identity_embedding(pack.identity, pack.generator.synthesis(w, side=pack.working_size))
                for w in held.w_plus.split(at_once)
            ]
        )
    own = describe(held.reading)
    for number, name in enumerate(rig.tau, 1):
        wanted = held.reading.theta.tau(name)[other]
        parts, faces = [], []
        with torch.no_grad():
            for w, tau in zip(held.w_plus.split(at_once), wanted.split(at_once)):
                image = pack.generator.synthesis(rig(w, name, tau), side=pack.working_size).clamp(-1, 1)
                parts.append(reader(image))
                faces.append(identity_embedding(pack.identity, image))
        reading = concatenate(parts)
        if name == "pose":
            error = (reading.theta.angles() - held.reading.theta.angles()[other]).abs().mean(0)
            scores |= dict(zip(("yaw deg", "pitch deg", "roll deg"), error.tolist()))
        else:
            error = (reading.theta.tau(name) - wanted).square().mean()
            scores[name] = float((error / (wanted - held.reading.theta.tau(name)).square().mean()).sqrt())
        moved = (describe(reading) - own)[:, describe.others[name]]
        scores[f"{name} others"] = float(moved.square().mean().sqrt())
        scores[f"{name} identity"] = float((torch.cat(faces) * before).sum(1).mean())
        yield Step("rig held out", number, len(rig.tau), scores)
    return scores
