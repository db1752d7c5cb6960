"""Global directions with sliders: everything but the slider's own work is done once (section 6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ..editing import chain
from ..editing.request import Request
from ..editing.result import Result
from ..errors import BadRequest
from ..inversion.codes import Code
from ..networks.clip import Clip
from ..options import checked
from ..photo.pixels import quantized, to_uint8
from ..progress import Step, Steps
from ..protocols import PackLike
from ..stages import StageTimer
from . import known_words, prompts, resources
from .directions import Table, boundary, channel_weights
from .named_regions import joined, named_regions, told_beforehand
from .options import ALPHA, BETA, EDIT_TEXT
from .stylespace import StyleSynthesis

PREVIEW = 320
"""px of a photograph's picture while sliders move."""

Edit = tuple[int, float, float]
"""Index of a direction, alpha, beta."""


@dataclass(frozen=True)
class Direction:
    """A direction from one text to another.  text: Delta t, [E].  notices: what CLIP could not read."""

    target: str
    neutral: str
    text: Tensor
    notices: tuple[str, ...] = ()


class Sliders:
    """A portrait with directions, each with its own alpha and beta.

    start: the portrait; the route of its request is "W+" (every layer changes, F moves along) or "F" (only
    the layers after F change).  clip, table: see :mod:`.resources`.
    """

    def __init__(self, pack: PackLike, start: chain.Start, clip: Clip, table: Table):
        self.pack, self.start, self.clip, self.table = pack, start, clip, table
        self.route: str = start.request.options["route"]
        self.directions: list[Direction] = []
        self._captions = resources.captions(pack)
        self._synthesis = StyleSynthesis(pack.generator, start.code, pack.working_size)
        self._boundaries: dict[tuple[int, float], tuple[Tensor, int]] = {}

    def add(self, target: str, neutral: str = prompts.NEUTRAL) -> int:
        """Add a direction; returns its index.  Raises BadRequest for empty texts and for the same text twice."""
        target, first = prompts.fit(self.clip, prompts.clean(target))
        neutral = prompts.clean(neutral or prompts.NEUTRAL, "neutral text")
        neutral, second = prompts.fit(self.clip, neutral, "neutral text")
        text = prompts.direction(self.clip, target, neutral)
        unread = known_words.remark(self.pack.name, self.clip, self._captions, target, neutral)
        photo = self.start.photograph
        beforehand = [] if photo is None else told_beforehand(photo, target, neutral)
        notices = tuple(notice for notice in (first, second, unread, *beforehand) if notice)
        self.directions.append(Direction(target, neutral, text, notices))
        return len(self.directions) - 1

    def moved(self, index: int, beta: float) -> int:
        """The number of channels of S that a direction moves at this threshold."""
        return self._change(index, beta)[1]

    def image(self, edits: Sequence[Edit]) -> np.ndarray:
        """The portrait with these edits, uint8 [R,R,3], of a photograph with `PREVIEW` px; unchanged areas keep the
        photo's pixels, as in a result."""
        if self.start.edit is not None:
            return quantized(self.start.edit(self._code(edits), PREVIEW, self._within(edits))[0])
        made = self._synthesis.picture(self._shift(edits)).clamp(-1, 1)
        return to_uint8(chain.compose(self.pack, self.start, made, within=self._within(edits))[0])[0].numpy()

    def grid(self, index: int, alphas: Sequence[float], betas: Sequence[float]) -> np.ndarray:
        """Every alpha (columns) at every beta (rows) as one picture, uint8 [rows*R,columns*R,3]."""
        return np.concatenate([np.concatenate([self.image([(index, a, b)]) for a in alphas], 1) for b in betas], 0)

    @property
    def notices(self) -> list[str]:
        """What CLIP could not read of the texts."""
        return [notice for direction in self.directions for notice in direction.notices]

    def remarks(self, edits: Sequence[Edit]) -> list[str]:
        """Sentences for the person: what CLIP cannot read, edits that move nothing, what route "F" or a photo cannot
        show."""
        found = []
        for index, alpha, beta in edits:
            d = self.directions[index]
            found += d.notices
            if alpha and not self.moved(index, beta):
                found.append(f"\u201c{d.target}\u201d moves nothing at beta {beta:g}; a lower beta moves more.")
        if self.route == "F":
            found.append(
                "Route F changes only F and the layers after it: colours and light, hardly any shape. "
                "Route W+ changes shapes, too."
            )
        if self.start.edit is not None:
            found += self.start.edit.remarks(self._code(edits))
        return found

    def result(self, edits: Sequence[Edit], timer: StageTimer | None = None) -> Steps[Result]:
        """The edits as a result.  timer: of the stages before."""
        timer = timer or StageTimer()
        with timer.stage("directions"):
            code = self._synthesis.shifted(self._shift(edits))
        yield Step("directions", 1, 1)
        start = replace(self.start, request=self._request(edits), timer=timer)
        channels = {self.directions[i].target: self.moved(i, beta) for i, _, beta in edits}
        notices = tuple(self.remarks(edits))
        within = self._within(edits)
        return (yield from chain.finish(self.pack, start, code, {"channels": channels}, notices, within=within))

    def _within(self, edits: Sequence[Edit]) -> tuple[str, ...] | None:
        """The regions that the edits' words are about; None where all may change."""
        if self.start.request.options["where"] == "everywhere":
            return None
        used = [self.directions[index] for index, alpha, _ in edits if alpha]
        return joined(named_regions(d.target, d.neutral) for d in used)

    def _request(self, edits: Sequence[Edit]) -> Request:
        """The edits as a request of edit_text, for the recipe."""
        opened = self.start.request
        if opened.operation == "edit_text":
            return opened
        listed = [
            {"target": d.target, "neutral": d.neutral, "alpha": alpha, "beta": beta}
            for d, alpha, beta in ((self.directions[i], alpha, beta) for i, alpha, beta in edits)
        ]
        options = checked(EDIT_TEXT, {**opened.options, "method": "directions", "edits": listed})
        return replace(opened, operation="edit_text", options=options)

    def _code(self, edits: Sequence[Edit]) -> Code:
        """The code of stacked edits, whose F is not moved along."""
        shift, before = self._shift(edits), self.start.code.shift
        return replace(self.start.code, shift=shift if before is None else before + shift)

    def _shift(self, edits: Sequence[Edit]) -> Tensor:
        """The change of S of stacked edits, [1,M]."""
        total = torch.zeros_like(self.table.std)
        for index, alpha, beta in edits:
            ALPHA.check(alpha)
            BETA.check(beta)
            if not 0 <= index < len(self.directions):
                raise BadRequest(f"There is no direction number {index}.", "Add it first.")
            total = total + float(alpha) * self._change(index, beta)[0]
        return total[None]

    def _change(self, index: int, beta: float) -> tuple[Tensor, int]:
        """The change of S for alpha = 1, [M], within reach, and how many channels it moves."""
        key = index, float(beta)
        if key not in self._boundaries:
            weights = channel_weights(self.table, self.directions[index].text, float(beta))
            change = self._synthesis.reachable(boundary(self.table, weights), self.route)
            self._boundaries[key] = change, int((change != 0).sum())
        return self._boundaries[key]
