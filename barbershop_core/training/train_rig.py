"""Training of a generator's rig: ``python -m barbershop_core rig train --pack P``.

StyleRig (Tewari et al. 2020), without labels, on samples of the generator:

1. Samples are drawn, and the pack's regressor reads theta of each (`pie.sample_bank`).
2. The *differentiable face reconstruction* F (section 4.1) learns theta from the code alone.
3. *RigNet* (section 4.2) is trained for each tau by cycle consistency (section 4.3).  Of two samples w, v:
   RigNet(w, theta_w) = w; F(RigNet(w, theta_v)) has theta_v^tau (editing) and theta_w^(not tau)
   (consistency).  The article compares renderings of the mixed thetas.  Ours compares theta and landmarks,
   standardized, because that is much faster on a CPU; every ``picture_every``-th step compares renderings,
   and theta as the regressor reads it in the generated picture.
4. The offset is penalized by its length in the P-norm space (II2S): of all codes with theta_v^tau the
   nearest is wanted, or hair and background, which theta does not describe, would change too.

Resumable: samples, F and RigNet are kept in a checkpoint; ``minutes`` includes those of earlier runs.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import BadRequest
from ..face3d.theta import TAU
from ..memory import pictures_at_once
from ..networks.rignet import RigNet
from ..pie.face_reader import FaceReader, FaceReading, face_reader, landmark_distance, photometric
from ..pie.sample_bank import SampleBank, draw_samples
from ..progress import Step, Steps
from ..protocols import PackLike
from . import checkpoints
from .rig_description import Description, FaceReconstruction
from .rig_scores import held_out

SAVED_EVERY = 90.0
"""Seconds between checkpoints."""
SIDE = 32
"""px at which renderings are compared."""


@dataclass(frozen=True)
class Schedule:
    """minutes: of the whole training.  samples, held_out: generated portraits to train on and to score.
    share_dfr: share of the time that trains F.  batch: codes per step.
    picture_every, picture_batch: how often a step generates pictures, and how many at most.  lr: highest rate.
    scored: held-out portraits whose pictures are compared at the end.
    Weights: edit, consistency, reconstruction, landmarks, rest (what else the regressor reads), prior
    (P-norm length), rendered (renderings).
    """

    minutes: float = 15.0
    samples: int = 6000
    held_out: int = 200
    share_dfr: float = 0.2
    batch: int = 48
    picture_every: int = 6
    picture_batch: int = 4
    scored: int = 96
    lr: float = 2e-3
    edit: float = 4.0
    consistency: float = 0.5
    reconstruction: float = 0.5
    landmarks: float = 0.3
    rest: float = 1.5
    prior: float = 0.002
    rendered: float = 3.0
    seed: int = 0


SAMPLES_PER_INPUT = 2
"""Samples for each number of a code, of which F has a linear layer: its rows are correlated."""
LARGE = 512
"""px: pictures of such generators take seconds on a CPU."""


def budget(pack: PackLike) -> Schedule:
    """The schedule for the size of a pack's generator and its device.

    A generator of 1024 px: on a GPU 18,432 samples and half an hour; on a CPU a tenth of the samples, two hours, and
    few pictures.  A generator of 128 px: 6,000 samples and a quarter of an hour.
    """
    g, usual = pack.generator, Schedule()
    if g.size < LARGE:
        return usual
    samples = max(usual.samples, SAMPLES_PER_INPUT * g.n_latent * g.style_dim)
    if pack.device.type != "cpu":
        return replace(usual, minutes=30.0, samples=samples)
    return replace(
        usual, minutes=120.0, samples=samples // 10, held_out=60, picture_every=60, picture_batch=1, scored=12
    )


def train(pack: PackLike, checkpoint: Path, schedule: Schedule | None = None) -> Steps[tuple[RigNet, dict]]:
    """Train the pack's rig.

    checkpoint: written during training, and resumed if it is of the same schedule (but for ``minutes``) and
        the same networks.

    Yields the stages "draw samples", "face reconstruction", "rig", "rig held out"; returns RigNet in eval
    mode and its held-out figures.  Raises errors.FaceModelMissing if the pack cannot read theta.
    """
    s = schedule or Schedule()
    if s.minutes <= 0:
        raise BadRequest("The training needs a positive time.", "Give --minutes above 0; 15 to 30 are usual.")
    return _train(pack, face_reader(pack), checkpoint, s)


def _train(pack: PackLike, reader: FaceReader, checkpoint: Path, s: Schedule) -> Steps[tuple[RigNet, dict]]:
    torch.manual_seed(s.seed)
    identity = {
        "schedule": asdict(replace(s, minutes=0.0)),
        "networks": checkpoints.digest(pack.generator, reader.net, reader.model),
    }
    saved = checkpoints.load(checkpoint, identity)
    if saved is None:
        bank = yield from draw_samples(pack, reader, s.samples + s.held_out, s.seed)
        saved = {"bank": bank.state_dict(), "elapsed": 0.0, "index": 0}
        checkpoints.save(checkpoint, saved, identity)
    bank = SampleBank.from_state(saved["bank"]).to(pack.device)
    rows = torch.arange(len(bank), device=pack.device)
    held, known = bank.rows(rows[: s.held_out]), bank.rows(rows[s.held_out :])
    state = _Training(pack, reader, known, held, s)
    if "rig" in saved:
        state.load_state_dict(saved)
    began, total, last = time.monotonic() - saved["elapsed"], 60 * s.minutes, time.monotonic()
    index, elapsed, means = saved["index"], saved["elapsed"], {}
    while elapsed < total or index == 0:
        elapsed = time.monotonic() - began
        done = min(elapsed / total, 1.0)
        if done < s.share_dfr:
            stage, losses = "face reconstruction", state.dfr_step(done / s.share_dfr)
        else:
            stage, losses = "rig", state.rig_step(index, (done - s.share_dfr) / (1 - s.share_dfr))
        index += 1
        means = {k: 0.98 * means.get(k, v) + 0.02 * v for k, v in losses.items()}
        if index % 100 == 0:
            yield Step(stage, int(elapsed), int(total), means)
        if time.monotonic() - last > SAVED_EVERY or elapsed >= total:
            saved |= {**state.state_dict(), "elapsed": elapsed, "index": index}
            checkpoints.save(checkpoint, saved, identity)
            last = time.monotonic()
            if elapsed < total:
                yield Step("rig held out", int(elapsed), int(total), state.quick_scores())
    scores = yield from held_out(pack, reader, state.rig, held, s.scored)
    return state.rig.eval().requires_grad_(False), {**state.quick_scores(), **scores}


class _Training:
    """F, RigNet and their optimizers."""

    def __init__(self, pack: PackLike, reader: FaceReader, known: SampleBank, held: SampleBank, s: Schedule):
        self.pack, self.reader, self.known, self.held, self.s = pack, reader, known, held, s
        g, self.describe = pack.generator, Description(known)
        self.wanted, self.held_wanted = self.describe(known.reading), self.describe(held.reading)
        sizes = {name: known.reading.theta.tau(name).shape[1] for name in TAU}
        self.rig = RigNet(g.n_latent, g.style_dim, sizes).to(pack.device)
        flat = known.w_plus.flatten(0, 1)
        self.rig.w_mean.copy_(flat.mean(0))
        self.rig.w_std.copy_(flat.std(0).clamp_min(1e-4))
        for name, net in self.rig.tau.items():
            net.mean.copy_(known.reading.theta.tau(name).mean(0))
            net.std.copy_(known.reading.theta.tau(name).std(0).clamp_min(1e-3))
        rows = self.rows(known.w_plus)
        cov = torch.cov(rows.flatten(0, 1).T) + 1e-3 * torch.eye(rows.shape[2], device=rows.device)
        self.whitening = torch.linalg.inv(torch.linalg.cholesky(cov)).T
        self.dfr = FaceReconstruction(rows[0].numel(), self.wanted.shape[1]).to(pack.device)
        self.dfr.start(rows, self.wanted)
        self.optimizers = {
            "dfr": torch.optim.AdamW(self.dfr.parameters(), lr=s.lr, weight_decay=1e-2),
            "rig": torch.optim.Adam(self.rig.parameters(), lr=s.lr, betas=(0.9, 0.99)),
        }
        self.rng = torch.Generator().manual_seed(s.seed + 1)
        self.at_once = pictures_at_once(g, s.picture_batch, gradients=True)

    def rows(self, w_plus: Tensor) -> Tensor:
        """Standardized rows of codes [B,L,D]."""
        return (w_plus - self.rig.w_mean) / self.rig.w_std

    def _rate(self, name: str, done: float) -> None:
        for group in self.optimizers[name].param_groups:
            group["lr"] = self.s.lr * min(1.0, max(0.02, (1 - done) / 0.6))

    def _draw(self, count: int) -> Tensor:
        return torch.randint(len(self.known), (count,), generator=self.rng).to(self.pack.device)

    def dfr_step(self, done: float) -> dict[str, float]:
        """One step of F."""
        self._rate("dfr", done)
        rows = self._draw(4 * self.s.batch)
        self.dfr.train()
        loss = (self.dfr(self.rows(self.known.w_plus[rows])) - self.wanted[rows]).square().mean()
        self._update("dfr", loss)
        return {"reading": loss.item()}

    def _update(self, name: str, loss: Tensor) -> None:
        optimizer = self.optimizers[name]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(optimizer.param_groups[0]["params"], 1.0)
        optimizer.step()

    def rig_step(self, index: int, done: float) -> dict[str, float]:
        """One step of RigNet: of each tau by codes, or of one tau by pictures."""
        self._rate("rig", done)
        self.dfr.eval().requires_grad_(False)
        names = tuple(self.rig.tau)
        pictures = index % self.s.picture_every == 0 and done > 0.1
        terms: dict[str, Tensor] = {}
        count = self.at_once if pictures else self.s.batch
        for name in (names[(index // self.s.picture_every) % len(names)],) if pictures else names:
            w, v = self._draw(count), self._draw(count)
            for key, value in self._cycle(name, w, v, pictures).items():
                terms[key] = terms.get(key, 0) + value
        self._update("rig", sum(terms.values()))
        return {key + (" (pictures)" if pictures else ""): float(v.detach()) for key, v in terms.items()}

    def _cycle(self, name: str, w: Tensor, v: Tensor, pictures: bool) -> dict[str, Tensor]:
        """The weighted losses of moving samples w by theta_v^tau."""
        s, describe, known = self.s, self.describe, self.known
        code, theta = known.w_plus[w], known.reading.theta
        if not pictures:  # the rows of embedded photos are noisy
            strength = 0.15 * torch.rand(len(w), 1, 1, generator=self.rng)
            noise = strength * torch.randn(code.shape, generator=self.rng)
            code = code + noise.to(code.device) * self.rig.w_std
        own = self.wanted[w] if pictures else self.dfr(self.rows(code))
        tau, others = describe.tau[name], describe.others[name]
        kept = self.rig(code, name, describe.thetas(own).tau(name))
        moved = self.rig(code, name, theta.tau(name)[v])
        offset = (moved - code) / self.rig.w_std @ self.whitening
        terms = {
            "reconstruction": s.reconstruction * ((kept - code) / self.rig.w_std).square().mean(),
            "prior": s.prior * offset.square().sum(2).mean(),
        }
        if pictures:
            image = self.pack.generator.synthesis(moved, side=self.pack.working_size)
            reading = self.reader(image)
            found = describe(reading)
            terms["rendered"] = s.rendered * self._rendered(name, w, v, image, reading)
        else:
            found = self.dfr(self.rows(moved))
        terms["edit"] = s.edit * F.smooth_l1_loss(found[:, tau], self.wanted[v][:, tau])
        terms["consistency"] = s.consistency * F.smooth_l1_loss(found[:, others], own[:, others])
        if own.shape[1] > describe.rest.start:
            terms["rest"] = s.rest * F.smooth_l1_loss(found[:, describe.rest], own[:, describe.rest])
        if name == "light":  # the only tau that moves no landmark
            marks = F.smooth_l1_loss(found[:, describe.landmarks], own[:, describe.landmarks])
            terms["landmarks"] = s.landmarks * marks
        return terms

    def _rendered(self, name: str, w: Tensor, v: Tensor, image: Tensor, reading: FaceReading) -> Tensor:
        """StyleRig's cycle on pictures: v's picture against [theta_v^(not tau), tau of the edited picture],
        and the edited picture against [theta_w^(not tau), theta_v^tau]."""
        known, theta = self.known, self.known.reading.theta
        of_v = theta[v].with_tau(name, reading.theta.tau(name))
        of_w = theta[w].with_tau(name, theta.tau(name)[v])
        if name == "pose":  # FFHQ alignment shifts a turned head
            of_w = self.reader.model.solve_translation(of_w, reading.landmarks, 1)
        loss = photometric(self.reader, known.images[v], of_v, SIDE).mean()
        loss = loss + photometric(self.reader, image, of_w, SIDE).mean()
        return loss + landmark_distance(self.reader, known.reading.landmarks[v], of_v).mean()

    @torch.no_grad()
    def quick_scores(self) -> dict[str, float]:
        """Held-out R2 of F on theta, and of the tau that F reads in moved codes."""
        self.dfr.eval()
        read = self.dfr(self.rows(self.held.w_plus))
        count = self.describe.theta.stop
        found = {"reading r2": 1 - (read - self.held_wanted)[:, :count].square().mean().item()}
        other = torch.arange(len(self.held), device=self.pack.device).roll(1)
        for name in self.rig.tau:
            moved = self.rig(self.held.w_plus, name, self.held.reading.theta.tau(name)[other])
            error = self.dfr(self.rows(moved)) - self.held_wanted[other]
            found[f"{name} r2"] = 1 - error[:, self.describe.tau[name]].square().mean().item()
        return found

    def state_dict(self) -> dict:
        return {
            "rig": self.rig.state_dict(),
            "dfr": self.dfr.state_dict(),
            "optimizers": {k: o.state_dict() for k, o in self.optimizers.items()},
        }

    def load_state_dict(self, saved: dict) -> None:
        self.rig.load_state_dict(saved["rig"])
        self.dfr.load_state_dict(saved["dfr"])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(saved["optimizers"][name])
        self.rng.manual_seed(self.s.seed + 1 + saved["index"])
