"""Edits by the rig on held-out portraits of the world against the rendered truth, with PIE's ablations.

Each portrait is given the pose, the expression and the light of another one, one at a time; the world renders
what it then looks like.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..editing import chain
from ..editing.regions import parse, region_index
from ..editing.request import Request
from ..errors import BadRequest
from ..face3d.theta import TAU, Theta
from ..inversion.codes import Code
from ..networks.arcface import identity_embedding
from ..photo.pixels import from_uint8, to_uint8
from ..pie.embedding import embed
from ..pie.face_reader import FaceReader, face_reader, read
from ..pie.pie_presets import PiePreset, pie_preset
from ..pie.repose import session_of
from ..pie.rig_request import RigRequest
from ..pie.session import RigSession
from ..progress import Step, Steps
from ..protocols import PackLike
from ..studio import Studio
from ..workers import Outcome
from ..world.morphable_head import theta_of
from . import expression, metrics
from .pose_cases import Case, cases
from .scoring import ALONE, Workers, scored
from .tables import check_networks, check_scored, means, save_sheet
from .triples import regions_of

COLUMNS = (
    "yaw_deg",
    "pitch_deg",
    "roll_deg",
    "expression",
    "expression_asked",
    "light",
    "identity",
    "edited_identity",
    "lpips",
    "others",
    "stays",
    "hair_iou",
    "psnr",
    "seconds",
)
ROWS = ("full", "no_identity", "no_edit", "no_invariance", "no_recognition", "w_only", "no_hierarchy", "optimize")
SHEET_ROWS = 8


def variant(preset: PiePreset, row: str) -> PiePreset:
    """The preset of a row: a term switched off, or the hierarchy.  Raises BadRequest for unknown rows."""
    off = {
        "full": {},
        "optimize": {},
        "no_identity": {"identity": 0.0},
        "no_edit": {"edit": 0.0},
        "no_invariance": {"invariance": 0.0},
        "no_recognition": {"recognition": 0.0, "recognition_edited": 0.0},
        "w_only": {"w_steps": preset.w_steps + preset.w_plus_steps, "w_plus_steps": 0},
        "no_hierarchy": {"w_steps": 0, "w_plus_steps": preset.w_steps + preset.w_plus_steps},
    }
    if row not in off:
        raise BadRequest(f"There is no row '{row}'.", f"Choose from: {', '.join(ROWS)}.")
    return replace(preset, name=row, **off[row])


def pose(
    pack: PackLike,
    portraits: int = 20,
    seed: int = 0,
    preset: str | PiePreset = "fast",
    rows: Sequence[str] = ROWS[:-1],
    sheet: str | Path | None = None,
    workers: Workers = ALONE,
) -> Steps[dict[str, Any]]:
    """Score the rig, with and without each term of the energy.

    rows: from ``ROWS``; "w_only" and "no_hierarchy" (W+ at once) have the same number of steps as "full";
    "optimize" is the edit without RigNet.  sheet: a PNG of the first portraits.  workers: score at the same time;
    only the seconds depend on them.

    Returns {"portraits", "seed", "pack", "preset", "scored", "rows", "ceiling", "details", "failures"}.
    Columns, means over the portraits:

    - yaw_deg, pitch_deg, roll_deg: distance of the edited picture's head to the truth's.
    - expression, light: |change of tau - the truth's change| / |the truth's change|, as the regressor reads
      them, root of the mean squares: 0 is perfect, 1 is no change.  Of the expression only movements count
      that the truth's picture shows (`evaluation.expression`); expression_asked counts all of them.
    - identity: cosine of the portrait with the embedded picture; edited_identity: with the edited ones.
    - lpips: of the edited pictures to the truth.  hair_iou: of the hair in their parse with the truth's.
    - others: mean change of all other coefficients of identity, texture and expression (range 2), between the
      embedded picture and the edited one.
    - stays: LPIPS of RigNet(w, theta_w) to the embedded picture, which it should not change.
    - psnr: dB of the embedding.  seconds: of the embedding.
    "ceiling" is what the truth's own pictures score: how far the judges can be trusted.  The regressor also
    takes part in the embedding; LPIPS, hair and identity do not depend on it.

    Raises BadRequest for bad arguments and for packs without the portrait world's regressor, a face model or
    (but for "optimize") RigNet.
    """
    numbers = pie_preset(preset)
    presets = {row: variant(numbers, row) for row in rows}
    check_networks(pack, *_roles(rows))
    drawn = cases(portraits, seed, pack.working_size)
    return _pose(pack, drawn, presets, seed, numbers, sheet, workers)


def _roles(rows: Iterable[str]) -> tuple[str, ...]:
    """Networks beyond the required ones: all rows but "optimize" need RigNet."""
    return ("regressor", "face_model", *(["rignet"] if set(rows) - {"optimize"} else ()))


@dataclass(frozen=True, eq=False)
class _Scored:
    """A portrait.  scores: by row.  pictures: of the row "full", for the contact sheet; empty without it."""

    scores: dict[str, dict[str, float]]
    pictures: dict[str, np.ndarray]


@dataclass(frozen=True)
class _Scorer:
    pack: PackLike
    presets: Mapping[str, PiePreset]
    seed: int

    def __call__(self, case: Case) -> Steps[_Scored]:
        pack = self.pack
        yield from pack.download()
        yield from pack.fetch(*_roles(self.presets))
        reader, rig = face_reader(pack), pack.optional("rignet")
        scores, pictures = {}, {}
        portrait = Studio(pack, cache=False).read(case.face.image)
        image = portrait.tensor(pack.working_size, pack.device)
        for row, numbers in self.presets.items():
            net = None if row == "optimize" else rig
            began = time.perf_counter()
            embedded = yield from embed(pack, reader, net, image, numbers, self.seed)
            seconds = time.perf_counter() - began
            request = Request("rig", {"face": portrait}, {"preset": numbers, "seed": self.seed})
            code = Code("W+", embedded.w_plus)
            start = chain.Start(request, image, code, embedded.image)
            session = session_of(pack, start, embedded, reader, net, numbers)
            made = yield from _edits(session, case)
            scores[row] = _score(session, case, made) | {"seconds": seconds}
            if row == "full":
                pictures = _pictures(session, case, made)
        scores["ceiling"] = _ceiling(pack, reader, case, image)
        return _Scored(scores, pictures)


def _pose(
    pack: PackLike,
    drawn: Sequence[Case],
    presets: Mapping[str, PiePreset],
    seed: int,
    preset: PiePreset,
    sheet: str | Path | None,
    workers: Workers,
) -> Steps[dict[str, Any]]:
    yield from pack.download()
    yield from pack.fetch(*_roles(presets))
    done: dict[int, _Scored] = {}
    failures: list[dict[str, Any]] = []

    def told(outcome: Outcome) -> Step:
        number = len(done) + len(failures) + 1
        if outcome.error is not None:
            failures.append({"portrait": outcome.index, "why": str(outcome.error)})
            notice = f"Portrait {outcome.index + 1} failed: {outcome.error}"
            return Step("portrait", number, len(drawn), notice=notice)
        one = done[outcome.index] = outcome.value
        if sheet is not None and one.pictures:
            save_sheet(sheet, [done[index].pictures for index in sorted(done)[:SHEET_ROWS]])
        first = one.scores[next(iter(presets))]
        return Step("portrait", number, len(drawn), {k: first[k] for k in ("yaw_deg", "edited_identity")})

    yield from scored(pack, partial(_Scorer, presets=presets, seed=seed), drawn, workers, told)
    failures.sort(key=lambda failure: failure["portrait"])
    details = [{"portrait": index} | done[index].scores for index in sorted(done)]
    check_scored(details, len(drawn), "portraits", failures)
    table = {row: _mean([d[row] for d in details]) for row in (*presets, "ceiling")}
    ceiling = table.pop("ceiling")
    return {
        "portraits": len(drawn),
        "seed": seed,
        "pack": pack.name,
        "preset": preset.name,
        "scored": len(details),
        "rows": table,
        "ceiling": ceiling,
        "details": details,
        "failures": failures,
    }


def _edits(session: RigSession, case: Case) -> Steps[dict[str, torch.Tensor]]:
    """The edited pictures [1,3,R,R] by tau."""
    made = {}
    for tau in case.truth:
        request = RigRequest(copied=(tau,), like=_asked(session, case, tau))
        if session.rig is not None:
            w_plus = session.moved(request)
        else:
            wanted = request.theta(session.reader.model, session.theta)
            w_plus = yield from session.optimized(wanted, (tau,))
        with torch.no_grad():
            made[tau] = session.synthesis(w_plus)
    return made


def _asked(session: RigSession, case: Case, tau: str) -> Theta:
    """The portrait's theta with the change of tau that the truth has; a pose as it is in the truth."""
    own, truth = (theta_of(session.reader.model, torch.from_numpy(p)[None]) for p in (case.p, case.truth[tau][0]))
    if tau == "pose":
        return session.theta.with_tau(tau, truth.tau(tau))
    return session.theta.with_tau(tau, session.theta.tau(tau) + truth.tau(tau) - own.tau(tau))


@torch.no_grad()
def _score(session: RigSession, case: Case, made: dict[str, torch.Tensor]) -> dict[str, float]:
    pack, reader, photo = session.pack, session.reader, session.start.image
    who = identity_embedding(pack.identity, photo)

    def same(image: torch.Tensor) -> float:
        return float((identity_embedding(pack.identity, image) * who).sum())

    seen = {tau: read(reader, image) for tau, image in made.items()}
    own = session.theta
    scores = _distances(reader, case, seen, own)
    scores |= _expression(reader, case, photo, session.embedded.image, made["expression"])
    moved = []
    for tau, theta in seen.items():
        parts = [n for n in ("identity", "texture", "expression") if n != TAU[tau]]
        moved += [(getattr(theta, n) - getattr(own, n)).abs().mean() for n in parts]
    error = (session.embedded.image - photo).square().mean() / 4
    scores |= {
        "identity": same(session.embedded.image),
        "edited_identity": float(np.mean([same(image) for image in made.values()])),
        "others": float(torch.stack(moved).mean()),
        "psnr": -10 * float(error.log10()),
        **_against_truth(pack, case, made),
    }
    if session.rig is not None:
        w = session.embedded.w_plus
        kept = [session.synthesis(session.rig(w, tau, own.tau(tau))) for tau in session.rig.tau]
        distances = [pack.perceptual.lpips(image, session.embedded.image) for image in kept]
        scores["stays"] = float(torch.cat(distances).mean())
    return scores


def _distances(reader: FaceReader, case: Case, seen: dict[str, Theta], own: Theta) -> dict[str, float]:
    """Errors of pose in degrees; for expression and light the sums of squares of what the change from ``own``
    misses of the truth's change ("missed"), and of the truth's change ("asked")."""
    found: dict[str, float] = {}
    start = theta_of(reader.model, torch.from_numpy(case.p)[None])
    for tau, (p, _) in case.truth.items():
        truth = theta_of(reader.model, torch.from_numpy(p)[None])
        if tau == "pose":
            error = (seen[tau].angles() - truth.angles()).abs()[0]
            found |= dict(zip(("yaw_deg", "pitch_deg", "roll_deg"), error.tolist()))
        else:
            asked = truth.tau(tau) - start.tau(tau)
            change = seen[tau].tau(tau) - own.tau(tau)
            name = "expression_asked" if tau == "expression" else tau
            found[f"{name} missed"] = float((change - asked).square().sum())
            found[f"{name} asked"] = float(asked.square().sum())
    return found


def _expression(
    reader: FaceReader, case: Case, photo: torch.Tensor, before: torch.Tensor, after: torch.Tensor
) -> dict[str, float]:
    """Sums of squares of the expression's change from ``before`` to ``after``, pictures [1,3,R,R]."""
    p, truth = case.truth["expression"]
    own, other = (theta_of(reader.model, torch.from_numpy(x)[None]).expression for x in (case.p, p))
    true_change = expression.read(reader, from_uint8(truth.image, photo.device)) - expression.read(reader, photo)
    change = expression.read(reader, after) - expression.read(reader, before)
    missed, asked = expression.missed(change, (other - own).to(change), true_change)
    return {"expression missed": missed, "expression asked": asked}


def _against_truth(pack: PackLike, case: Case, made: dict[str, torch.Tensor]) -> dict[str, float]:
    distances, overlaps = [], []
    for tau, image in made.items():
        truth = case.truth[tau][1]
        distances.append(float(pack.perceptual.lpips(image, from_uint8(truth.image, image.device))))
        ours = parse(pack.parser, image)[0].cpu().numpy() == region_index("hair")
        overlaps.append(metrics.iou(ours, regions_of(truth) == region_index("hair")) or 0.0)
    return {"lpips": float(np.mean(distances)), "hair_iou": float(np.mean(overlaps))}


@torch.no_grad()
def _ceiling(pack: PackLike, reader: FaceReader, case: Case, image: torch.Tensor) -> dict[str, float]:
    """What the truth's own pictures score."""
    made = {tau: from_uint8(r.image, image.device) for tau, (_, r) in case.truth.items()}
    who = identity_embedding(pack.identity, image)
    same = [float((identity_embedding(pack.identity, x) * who).sum()) for x in made.values()]
    scores = _distances(reader, case, {tau: read(reader, x) for tau, x in made.items()}, read(reader, image))
    scores |= _expression(reader, case, image, image, made["expression"])
    return scores | {"edited_identity": float(np.mean(same)), **_against_truth(pack, case, made)}


def _mean(scores: Sequence[dict[str, float]]) -> dict[str, float | None]:
    """Means of the columns; for expression and light the root of (sum of squares missed / sum asked)."""
    found = means(scores, COLUMNS)
    for name in ("expression", "expression_asked", "light"):
        missed, asked = (sum(s[f"{name} {kind}"] for s in scores) for kind in ("missed", "asked"))
        found[name] = round((missed / max(asked, 1e-9)) ** 0.5, 4)
    return found


def _pictures(session: RigSession, case: Case, made: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    pictures = {"photo": case.face.image, "embedded": to_uint8(session.embedded.image)[0].numpy()}
    for tau, image in made.items():
        pictures |= {tau: to_uint8(image)[0].numpy(), f"{tau}: truth": case.truth[tau][1].image}
    return pictures
