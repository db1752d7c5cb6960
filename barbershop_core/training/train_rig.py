"""Training of a generator's rig: ``python -m barbershop_core rig train --pack P``.

StyleRig (Tewari et al. 2020), without labels, on samples of the generator:

1. A *bank* of samples is drawn and looked at by the pack's regressor (MoFA): theta of each.
2. The *differentiable face reconstruction* F (section 4.1) learns theta from the code alone.
3. *RigNet* (section 4.2) is trained for each tau by cycle consistency (section 4.3).  Of two samples w, v:
   RigNet(w, theta_w) = w; F(RigNet(w, theta_v)) shows theta_v^tau (editing) and keeps theta_w^(not tau)
   (consistency).  The article compares renderings of the mixed thetas; on the studio's CPU theta and
   landmarks themselves, standardized, are compared in most steps, and every ``picture_every``-th step runs
   the whole cycle: generator, regressor, rendering.
4. The offset's length in the P-norm space (II2S) is kept small: of all codes with theta_v^tau the nearest
   is wanted, or hair and background, of which theta knows nothing, would move too.

Resumable: bank, F and RigNet lie in a checkpoint; ``minutes`` counts those of earlier runs.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import BadRequest
from ..face3d.theta import TAU
from ..networks.rignet import RigNet
from ..pie.face_reader import FaceReader, face_reader, landmark_distance, photometric
from ..pie.sample_bank import SampleBank, concatenate, draw_samples
from ..progress import Step, Steps
from .rig_description import Description, FaceReconstruction


@dataclass(frozen=True)
class Schedule:
    """minutes: of the whole training.  samples: in the bank, and beside it held out.
    share_dfr: of the time, for F.  batch: codes a step; picture_batch: in the steps with pictures.
    Weights: edit, consistency, reconstruction, landmarks, rest (what else the regressor tells), prior
    (P-norm length), rendered (photometric).
    """

    minutes: float = 15.0
    samples: int = 6000
    held_out: int = 200
    share_dfr: float = 0.2
    batch: int = 48
    picture_every: int = 6
    picture_batch: int = 4
    lr: float = 2e-3
    edit: float = 4.0
    consistency: float = 0.5
    reconstruction: float = 0.5
    landmarks: float = 0.3
    rest: float = 1.5
    prior: float = 0.002
    rendered: float = 3.0
    seed: int = 0


def train(pack, checkpoint: Path, schedule: Schedule | None = None) -> Steps[tuple[RigNet, dict]]:
    """Train the pack's rig.

    Yields steps ("look at samples", "read codes", "rig", "rig held out"); returns RigNet in eval mode and
    its held-out figures.  Raises errors.FaceModelMissing where the pack cannot see theta.
    """
    s = schedule or Schedule()
    if s.minutes <= 0:
        raise BadRequest("The training needs some minutes.", "Give --minutes above 0; 15 are usual.")
    return _train(pack, face_reader(pack), checkpoint, s)


def _train(pack, reader: FaceReader, checkpoint: Path, s: Schedule) -> Steps[tuple[RigNet, dict]]:
    torch.manual_seed(s.seed)
    saved = _read(checkpoint, pack, s)
    if saved is None:
        bank = yield from draw_samples(pack, reader, s.samples + s.held_out, s.seed)
        saved = {"bank": bank.state_dict(), "elapsed": 0.0, "index": 0}
        _write(checkpoint, saved, pack, s)
    bank = SampleBank.from_state(saved["bank"])
    held, known = bank.rows(torch.arange(s.held_out)), bank.rows(torch.arange(s.held_out, len(bank)))
    state = _Training(pack, reader, known, held, s)
    if "rig" in saved:
        state.load_state_dict(saved)
    began, total, last = time.monotonic() - saved["elapsed"], 60 * s.minutes, time.monotonic()
    index, elapsed, means = saved["index"], saved["elapsed"], {}
    while elapsed < total or index == 0:
        elapsed = time.monotonic() - began
        done = min(elapsed / total, 1.0)
        first = done < s.share_dfr
        losses = (
            state.read_step(done / s.share_dfr)
            if first
            else state.rig_step(index, (done - s.share_dfr) / (1 - s.share_dfr))
        )
        index += 1
        means = {k: 0.98 * means.get(k, v) + 0.02 * v for k, v in losses.items()}
        if index % 100 == 0:
            yield Step("read codes" if first else "rig", int(elapsed), int(total), means)
        if time.monotonic() - last > 90 or elapsed >= total:
            _write(checkpoint, {**saved, **state.state_dict(), "elapsed": elapsed, "index": index}, pack, s)
            last = time.monotonic()
            if elapsed < total:
                yield Step("rig held out", int(elapsed), int(total), state.quick_scores())
    scores = yield from held_out(pack, reader, state.rig, held)
    return state.rig.eval().requires_grad_(False), {**state.quick_scores(), **scores}


class _Training:
    """F, RigNet and their optimizers."""

    def __init__(self, pack, reader: FaceReader, known: SampleBank, held: SampleBank, s: Schedule):
        self.pack, self.reader, self.known, self.held, self.s = pack, reader, known, held, s
        g, self.describe = pack.generator, Description(known)
        self.wanted, self.held_wanted = self.describe(known.reading), self.describe(held.reading)
        sizes = {name: known.reading.theta.tau(name).shape[1] for name in TAU}
        self.rig = RigNet(g.n_latent, g.style_dim, sizes)
        flat = known.w_plus.flatten(0, 1)
        self.rig.w_mean.copy_(flat.mean(0))
        self.rig.w_std.copy_(flat.std(0).clamp_min(1e-4))
        for name, net in self.rig.tau.items():
            net.mean.copy_(known.reading.theta.tau(name).mean(0))
            net.std.copy_(known.reading.theta.tau(name).std(0).clamp_min(1e-3))
        rows = self.rows(known.w_plus)
        cov = torch.cov(rows.flatten(0, 1).T) + 1e-3 * torch.eye(rows.shape[2])
        self.metric = torch.linalg.inv(torch.linalg.cholesky(cov)).T  # offsets to units of W's spread
        self.dfr = FaceReconstruction(rows[0].numel(), self.wanted.shape[1])
        self._start_dfr(rows)
        self.optimizers = {
            "dfr": torch.optim.AdamW(self.dfr.parameters(), lr=s.lr, weight_decay=1e-2),
            "rig": torch.optim.Adam(self.rig.parameters(), lr=s.lr, betas=(0.9, 0.99)),
        }
        self.rng = torch.Generator().manual_seed(s.seed + 1)

    def rows(self, w_plus: Tensor) -> Tensor:
        return (w_plus - self.rig.w_mean) / self.rig.w_std

    @torch.no_grad()
    def _start_dfr(self, rows: Tensor) -> None:
        """The straight part by ridge regression: most of theta is linear in W."""
        x = torch.cat([rows.flatten(1), torch.ones(len(rows), 1)], 1)
        gram = x.T @ x + 30.0 * torch.eye(x.shape[1])
        answer = torch.linalg.solve(gram, x.T @ self.wanted)
        self.dfr.straight.weight.copy_(answer[:-1].T)
        self.dfr.straight.bias.copy_(answer[-1])
        self.dfr.bend[-1].weight.zero_()
        self.dfr.bend[-1].bias.zero_()

    def _rate(self, name: str, done: float) -> None:
        for group in self.optimizers[name].param_groups:
            group["lr"] = self.s.lr * min(1.0, max(0.02, (1 - done) / 0.6))

    def _draw(self, count: int) -> Tensor:
        return torch.randint(len(self.known), (count,), generator=self.rng)

    def read_step(self, done: float) -> dict[str, float]:
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
        """One step of RigNet, all tau; with pictures now and then."""
        self._rate("rig", done)
        self.dfr.eval().requires_grad_(False)
        names = tuple(self.rig.tau)
        pictures = index % self.s.picture_every == 0 and done > 0.1
        terms: dict[str, Tensor] = {}
        count = self.s.picture_batch if pictures else self.s.batch
        for name in (names[(index // self.s.picture_every) % len(names)],) if pictures else names:
            w, v = self._draw(count), self._draw(count)
            for key, value in self._cycle(name, w, v, pictures).items():
                terms[key] = terms.get(key, 0) + value
        self._update("rig", sum(terms.values()))
        return {key + (" (pictures)" if pictures else ""): float(v.detach()) for key, v in terms.items()}

    def _cycle(self, name: str, w: Tensor, v: Tensor, pictures: bool) -> dict[str, Tensor]:
        s, describe = self.s, self.describe
        code, theta = self.known.w_plus[w], self.known.reading.theta
        if not pictures:  # embedded photos' rows have a noise of their own
            strength = 0.15 * torch.rand(len(w), 1, 1, generator=self.rng)
            code = code + strength * torch.randn(code.shape, generator=self.rng) * self.rig.w_std
        own = self.dfr(self.rows(code)) if not pictures else self.wanted[w]
        tau, others = describe.tau[name], describe.others[name]
        kept = self.rig(code, name, describe.thetas(own).tau(name))
        moved = self.rig(code, name, theta.tau(name)[v])
        offset = (moved - code) / self.rig.w_std @ self.metric
        terms = {
            "reconstruction": s.reconstruction * ((kept - code) / self.rig.w_std).square().mean(),
            "prior": s.prior * offset.square().sum(2).mean(),
        }
        if pictures:
            image = self.pack.generator.synthesis(moved, resolution=self.pack.working_size)
            reading = self.reader(image)
            found = describe(reading)
            mixed = theta[w].with_tau(name, theta.tau(name)[v])
            drawn = theta[v].with_tau(name, reading.theta.tau(name))
            rendered = photometric(self.reader, self.known.images[v], drawn, 32).mean()
            # translation follows the head: FFHQ alignment moves it, theta's own is not asked for
            mixed = (
                self.reader.model.solve_translation(mixed, reading.landmarks, 1) if name == "pose" else mixed
            )
            rendered = rendered + photometric(self.reader, image, mixed, 32).mean()
            rendered = (
                rendered + landmark_distance(self.reader, self.known.reading.landmarks[v], drawn).mean()
            )
            terms["rendered"] = s.rendered * rendered
        else:
            found = self.dfr(self.rows(moved))
        terms["edit"] = s.edit * F.smooth_l1_loss(found[:, tau], self.wanted[v][:, tau])
        terms["consistency"] = s.consistency * F.smooth_l1_loss(found[:, others], own[:, others])
        rest = (
            F.smooth_l1_loss(found[:, describe.rest], own[:, describe.rest])
            if own.shape[1] > describe.rest.start
            else offset.new_zeros(())
        )
        terms["rest"] = s.rest * rest
        if name == "light":  # the only tau that moves no landmark
            marks = F.smooth_l1_loss(found[:, describe.landmarks], own[:, describe.landmarks])
            terms["landmarks"] = s.landmarks * marks
        return terms

    @torch.no_grad()
    def quick_scores(self) -> dict[str, float]:
        """Held-out R2 of F on codes, and how much of tau arrives as F reads it."""
        self.dfr.eval()
        read = self.dfr(self.rows(self.held.w_plus))
        count = self.describe.theta.stop
        found = {"reading r2": 1 - (read - self.held_wanted)[:, :count].square().mean().item()}
        other = torch.roll(torch.arange(len(self.held)), 1)
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


def held_out(
    pack, reader: FaceReader, rig: RigNet, held: SampleBank, count: int = 96
) -> Steps[dict[str, float]]:
    """Held-out figures in pictures: each sample gets another's tau.

    "yaw deg", "pitch deg", "roll deg": mean error of the head as the regressor sees it in the picture.
    "expression", "light": error of tau over the change asked, root of the ratio of mean squares.
    "<tau> others": change of all other theta in units of its spread.  "<tau> identity": cosine.
    """
    from ..networks.arcface import identity_embedding

    count = min(count, len(held))
    held = held.rows(torch.arange(count))
    other = torch.roll(torch.arange(count), 1)
    describe, scores = Description(held), {}
    with torch.no_grad():
        before = torch.cat(
            [
                identity_embedding(pack.identity, pack.generator.synthesis(w, resolution=pack.working_size))
                for w in held.w_plus.split(16)
            ]
        )
    own = describe(held.reading)
    for number, name in enumerate(rig.tau, 1):
        wanted = held.reading.theta.tau(name)[other]
        parts, faces = [], []
        with torch.no_grad():
            for w, tau in zip(held.w_plus.split(16), wanted.split(16)):
                image = pack.generator.synthesis(rig(w, name, tau), resolution=pack.working_size).clamp(-1, 1)
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


def _identity(pack, s: Schedule) -> dict:
    """What a checkpoint belongs to: the schedule but for its time, the generator and the regressor."""
    numbers = {k: v for k, v in asdict(s).items() if k != "minutes"}
    digest = hashlib.sha256()
    for net in (pack.generator, pack.optional("regressor")):
        for value in net.state_dict().values():
            digest.update(value.cpu().contiguous().numpy().tobytes())
    return {"networks": digest.hexdigest(), "schedule": numbers}


def _write(checkpoint: Path, saved: dict, pack, s: Schedule) -> None:
    part = checkpoint.with_suffix(".part")
    torch.save({**saved, **_identity(pack, s)}, part)
    part.replace(checkpoint)


def _read(checkpoint: Path, pack, s: Schedule) -> dict | None:
    """A checkpoint of the same pack and schedule; of another one it is left alone and begun anew."""
    if not checkpoint.is_file():
        return None
    saved = torch.load(checkpoint, map_location="cpu", weights_only=True)
    same = all(saved.get(k) == v for k, v in _identity(pack, s).items())
    return saved if same else None
