"""A photo's code for the rig: the energy is minimized in W, then in W+ (PIE, section 3.4).

The optimization is hierarchical: first one row for all layers, then a row for each layer, starting from the
first result.  Optimizing W+ from the beginning leaves the codes that generator and rig were trained on.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..inversion import embed as inversion
from ..inversion.inversion_presets import inversion_preset
from ..inversion.minimise import minimise
from ..inversion.project import mean_code, project
from ..networks.rignet import RigNet
from ..progress import Steps
from ..protocols import PackLike
from . import energy
from .energy import Target
from .face_reader import FaceReader
from .pie_presets import PiePreset
from .sample_bank import SampleBank, draw_samples

SAMPLES = 24
"""Generated portraits from which v is drawn."""
OPTIMIZERS = {"adadelta": torch.optim.Adadelta, "adam": torch.optim.Adam}


@dataclass(frozen=True)
class Embedded:
    """w_plus [1,L,D] and the image [1,3,R,R] it generates; target: what the energy needs of the photo.

    Edits start from theta of the generated image, not of the photo.
    """

    w_plus: Tensor
    image: Tensor
    target: Target


def embed(
    pack: PackLike,
    reader: FaceReader,
    rig: RigNet | None,
    image: Tensor,
    preset: PiePreset,
    seed: int = 0,
    start: Tensor | None = None,
) -> Steps[Embedded]:
    """Embed a portrait [1,3,R,R] in [-1,1].

    rig: if None, the terms that need it are left out.  start: initial code [1,L,D] instead of the preset's.
    Yields the stages "draw samples", "embed W", "embed W+".
    """
    target = energy.target_of(pack, reader, image)
    bank = None
    if rig is not None and (preset.edit or preset.invariance or preset.recognition_edited):
        bank = yield from samples(pack, reader, preset)
    if start is None:
        start = yield from _start(pack, image, preset)
    objective = _Objective(pack, reader, rig, target, bank, preset, torch.Generator().manual_seed(seed))
    w_plus = start.detach()
    if preset.w_steps:
        w = yield from objective.minimise("embed W", w_plus.mean(1), preset.w_steps, preset.lr)
        w_plus = pack.generator.spread(w)
    if preset.w_plus_steps:
        w_plus = yield from objective.minimise("embed W+", w_plus, preset.w_plus_steps, preset.lr_plus)
    with torch.no_grad():
        made = pack.generator.synthesis(w_plus, side=pack.working_size).clamp(-1, 1)
    return Embedded(w_plus.detach(), made, target)


def _start(pack: PackLike, image: Tensor, preset: PiePreset) -> Steps[Tensor]:
    """The code [1,L,D] from which W is optimized.

    The steps of the start "encoder" do not suffice from the mean face: without an encoder, W is searched as in an
    inversion first.
    """
    if preset.start == "mean":
        return mean_code(pack.generator)
    if pack.encoder is not None:
        return project(pack, image)
    return (yield from inversion.embed(pack, image, "W", inversion_preset("fast")))[0].w_plus


_banks: dict[tuple, SampleBank] = {}


def samples(pack: PackLike, reader: FaceReader, preset: PiePreset) -> Steps[SampleBank]:
    """The samples v of a pack, kept for the last pack used in this process."""
    key = (pack.fingerprint, str(pack.device), preset.side)
    if key not in _banks:
        _banks.clear()
        drawn = draw_samples(pack, reader, SAMPLES, seed=4, mixed=0.0, side=preset.side)
        _banks[key] = yield from drawn
    return _banks[key]


@dataclass
class _Objective:
    """The energy of a code (equation 3), for `inversion.minimise`."""

    pack: PackLike
    reader: FaceReader
    rig: RigNet | None
    target: Target
    bank: SampleBank | None
    preset: PiePreset
    rng: torch.Generator

    def minimise(self, stage: str, code: Tensor, total: int, lr: float) -> Steps[Tensor]:
        """Minimize from ``code`` ([1,D] or [1,L,D]); returns a code of the same shape."""
        code = code.detach().clone(memory_format=torch.contiguous_format).requires_grad_(True)
        yield from minimise(
            stage,
            total,
            [(code, lr)],
            lambda index: self.losses(code, index),
            optimizer=OPTIMIZERS[self.preset.optimizer],
            ramp=self.preset.ramp,
        )
        return code.detach()

    def losses(self, code: Tensor, index: int) -> tuple[Tensor, dict[str, Tensor]]:
        """The image of a code, and the weighted terms at iteration ``index``.

        Terms that are computed only every ``edit_every`` iterations are weighted that much more.
        """
        p, pack = self.preset, self.pack
        rows = pack.generator.spread(code)
        image = pack.generator.synthesis(rows, side=pack.working_size)
        terms = {"synth": energy.synth(pack, self.target, image, p)}
        if p.recognition:
            terms["recognition"] = p.recognition * energy.recognition(pack, self.target, image)
        if p.p_norm:
            terms["p_norm"] = p.p_norm * pack.pnorm(code).mean()
        if self.rig is None or index % p.edit_every:
            return image, terms
        if p.identity:
            theta = self.reader(image).theta
            terms["identity"] = p.edit_every * p.identity * energy.identity(self.rig, rows, theta)
        if self.bank is not None:
            terms |= self._edited(self.rig, self.bank, rows, index)
        return image, terms

    def _edited(self, rig: RigNet, bank: SampleBank, rows: Tensor, index: int) -> dict[str, Tensor]:
        """The terms of I_hat = G(RigNet(w, theta_v^tau)), for a random v and each tau in turn."""
        p, names, terms = self.preset, tuple(rig.tau), {}
        name = names[index // p.edit_every % len(names)]
        v = bank.rows(torch.randint(len(bank), (1,), generator=self.rng))
        moved = rig(rows, name, v.reading.theta.tau(name))
        image = self.pack.generator.synthesis(moved, side=self.pack.working_size)
        if p.edit or p.invariance:
            reading = self.reader(image)
        if p.edit:
            value = energy.edit(self.reader, v, reading, name, p)
            terms["edit"] = p.edit_every * p.edit * value
        if p.invariance:
            value = energy.invariance(self.reader, self.target, reading, name, p)
            terms["invariance"] = p.edit_every * p.invariance * value
        if p.recognition_edited:
            value = energy.recognition(self.pack, self.target, image)
            terms["recognition edited"] = p.edit_every * p.recognition_edited * value
        return terms
