"""A photo's code, made for the rig: the energy minimized in W, then in W+ (PIE, section 3.4).

The optimization is hierarchical: one row for all layers first, and its end as the start of a row for each.
W+ from the beginning leaves the codes that the generator and the rig know.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..inversion.minimise import ramp_down
from ..inversion.project import mean_code, project
from ..networks.rignet import RigNet
from ..photo.pixels import to_uint8
from ..progress import Step, Steps
from . import energy
from .energy import Target
from .face_reader import FaceReader
from .pie_presets import PiePreset
from .sample_bank import SampleBank, draw_samples

SAMPLES = 24
"""Generated portraits among which v is drawn."""


@dataclass(frozen=True)
class Embedded:
    """w_plus [1,L,D]; image [1,3,R,R], what it makes; target: the photo's share of the energy; theta of the
    code's own picture is what edits start from."""

    w_plus: Tensor
    image: Tensor
    target: Target


def embed(
    pack,
    reader: FaceReader,
    rig: RigNet | None,
    image: Tensor,
    preset: PiePreset,
    seed: int = 0,
    start: Tensor | None = None,
) -> Steps[Embedded]:
    """Embed a portrait [1,3,R,R] in [-1,1].

    rig: without one the terms that need it are left out.  start: a code [1,L,D] to begin from.
    Yields "draw samples", "embed W", "embed W+".
    """
    target = energy.target_of(pack, reader, image)
    bank = None
    if rig is not None and (preset.edit or preset.invariance or preset.recognition_edited):
        bank = yield from samples(pack, reader, preset)
    if start is None:
        encoder = preset.start == "encoder" and pack.encoder is not None
        start = project(pack, image) if encoder else mean_code(pack.generator)
    goal = _Goal(pack, reader, rig, target, bank, preset, torch.Generator().manual_seed(seed))
    rows = start.detach()
    if preset.w_steps:
        w = yield from goal.descend("embed W", rows.mean(1), preset.w_steps, preset.lr)
        rows = pack.generator.spread(w)
    if preset.w_plus_steps:
        rows = yield from goal.descend("embed W+", rows.contiguous(), preset.w_plus_steps, preset.lr_plus)
    with torch.no_grad():
        made = pack.generator.synthesis(rows, resolution=pack.working_size).clamp(-1, 1)
    return Embedded(rows.detach(), made, target)


_banks: dict[tuple, SampleBank] = {}


def samples(pack, reader: FaceReader, preset: PiePreset) -> Steps[SampleBank]:
    """The samples v of a pack, drawn once in a process."""
    key = (pack.fingerprint, str(pack.device), preset.side)
    if key not in _banks:
        _banks.clear()
        _banks[key] = yield from draw_samples(
            pack, reader, SAMPLES, seed=4, mixed=0.0, side=preset.side, batch=8
        )
    return _banks[key]


class _Goal:
    def __init__(self, pack, reader, rig, target: Target, bank: SampleBank | None, preset: PiePreset, rng):
        self.pack, self.reader, self.rig, self.target = pack, reader, rig, target
        self.bank, self.preset, self.rng = bank, preset, rng
        statistics = pack.pnorm
        self.prior = type(statistics)(statistics.mean, statistics.components, statistics.stdev).to(
            pack.device
        )

    def losses(self, code: Tensor, index: int) -> tuple[Tensor, dict[str, Tensor]]:
        """The picture of a code, and the weighted terms of its energy at step ``index``."""
        p, pack = self.preset, self.pack
        rows = pack.generator.spread(code)
        image = pack.generator.synthesis(rows, resolution=pack.working_size)
        terms = {"synth": energy.synth(pack, self.target, image, p)}
        if p.recognition:
            terms["recognition"] = p.recognition * energy.recognition(pack, self.target, image)
        if p.p_norm:
            terms["p_norm"] = p.p_norm * self.prior(code).mean()
        if self.rig is None or index % p.edit_every:
            return image, terms
        if p.identity:
            theta = self.reader(image).theta
            terms["identity"] = p.edit_every * p.identity * energy.identity(self.rig, rows, theta)
        if self.bank is not None:
            self._edited(rows, index, terms)
        return image, terms

    def _edited(self, rows: Tensor, index: int, terms: dict[str, Tensor]) -> None:
        """The terms that look at the picture of RigNet(w, theta_v^tau), for a random v, tau in turn."""
        p, names = self.preset, tuple(self.rig.tau)
        name = names[index // p.edit_every % len(names)]
        v = self.bank.rows(torch.randint(len(self.bank), (1,), generator=self.rng))
        moved = self.rig(rows, name, v.reading.theta.tau(name))
        image = self.pack.generator.synthesis(moved, resolution=self.pack.working_size)
        if p.edit or p.invariance:
            reading = self.reader(image)
        if p.edit:
            sample = energy.Sample(v.images, v.reading)
            value = energy.edit(self.reader, sample, reading, name, p)
            terms["edit"] = p.edit_every * p.edit * value
        if p.invariance:
            value = energy.invariance(self.reader, self.target, reading, name, p)
            terms["invariance"] = p.edit_every * p.invariance * value
        if p.recognition_edited:
            value = energy.recognition(self.pack, self.target, image)
            terms["recognition edited"] = p.edit_every * p.recognition_edited * value

    def descend(self, stage: str, code: Tensor, total: int, lr: float) -> Steps[Tensor]:
        """Minimize from ``code`` ([1,D] or [1,L,D])."""
        code = code.detach().clone().requires_grad_(True)
        kinds = {"adadelta": torch.optim.Adadelta, "adam": torch.optim.Adam}
        optimizer = kinds[self.preset.optimizer]([code], lr=lr)
        shown = dict[str, float]()
        for index in range(total):
            optimizer.param_groups[0]["lr"] = lr * ramp_down(index, total, self.preset.ramp)
            optimizer.zero_grad(set_to_none=True)
            with torch.enable_grad():
                image, terms = self.losses(code, index)
                sum(terms.values()).backward()
            optimizer.step()
            shown |= {name: float(value.detach()) for name, value in terms.items()}
            picture = image.detach()
            yield Step(stage, index + 1, total, dict(shown), lambda x=picture: to_uint8(x)[0].numpy())
        return code.detach()
