"""Global directions under sliders: everything but the slider's own work is done once (section 6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..editing import chain
from ..editing.result import Result
from ..errors import BadRequest
from ..networks.clip import Clip
from ..photo.pixels import to_uint8
from ..progress import Step, Steps
from ..stages import StageTimer
from . import prompts
from .directions import Table, boundary, channel_weights
from .stylespace import StyleSynthesis

ALPHA, BETA = 10.0, 1.0
"""Largest strength, in both directions, and largest threshold."""
Edit = tuple[int, float, float]
"""Index of a direction, alpha, beta."""


@dataclass(frozen=True)
class Direction:
    """A direction by its texts.  text: Delta t, [E]; notices: what had to be cut off."""

    target: str
    neutral: str
    text: Tensor
    notices: tuple[str, ...] = ()


def check(alpha: float, beta: float) -> None:
    """Raises BadRequest where a strength or threshold is out of range."""
    for name, value, low, high in (("alpha", alpha, -ALPHA, ALPHA), ("beta", beta, 0.0, BETA)):
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not low <= value <= high:
            raise BadRequest(f"{name} = {value} is out of range.", f"Give a number from {low:g} to {high:g}.")


class Sliders:
    """A portrait with directions, each under its own sliders alpha and beta.

    route: "W+" changes every layer and carries F along; "F" only the layers beyond F.
    """

    def __init__(
        self, studio, start: chain.Start, clip: Clip, table: Table, route: str, preset: str, seed: int
    ):
        self.pack, self.start, self.clip, self.table = studio.pack, start, clip, table
        self.route, self.preset, self.seed = route, preset, seed
        self.directions: list[Direction] = []
        self._synthesis = StyleSynthesis(self.pack.generator, start.code, self.pack.working_size)
        self._boundaries: dict[tuple[int, float], tuple[Tensor, int]] = {}

    def add(self, target: str, neutral: str = prompts.NEUTRAL) -> int:
        """Take in a direction; returns its index.  Raises BadRequest for empty texts or the same twice."""
        target, first = prompts.fit(self.clip, prompts.clean(target))
        neutral = prompts.clean(neutral or prompts.NEUTRAL, "neutral text")
        neutral, second = prompts.fit(self.clip, neutral, "neutral text")
        text = prompts.direction(self.clip, target, neutral)
        notices = tuple(notice for notice in (first, second) if notice)
        self.directions.append(Direction(target, neutral, text, notices))
        return len(self.directions) - 1

    def moved(self, index: int, beta: float) -> int:
        """How many channels of S a direction moves at this threshold."""
        return self._change(index, beta)[1]

    def image(self, edits: Sequence[Edit]) -> np.ndarray:
        """The portrait under these edits, uint8 [R,R,3]: photo where nothing changed, as in a result."""
        made = self._synthesis.picture(self._shift(edits)).clamp(-1, 1)
        return to_uint8(chain.compose(self.start, made)[0])[0].numpy()

    def grid(self, index: int, alphas: Sequence[float], betas: Sequence[float]) -> np.ndarray:
        """Every alpha (columns) at every beta (rows) as one picture, uint8 [rows*R,columns*R,3]."""
        return np.concatenate(
            [np.concatenate([self.image([(index, a, b)]) for a in alphas], 1) for b in betas], 0
        )

    @property
    def notices(self) -> list[str]:
        """What had to be cut off the texts that were added."""
        return [notice for direction in self.directions for notice in direction.notices]

    def remarks(self, edits: Sequence[Edit]) -> list[str]:
        """Sentences about edits: nothing moves, layers out of reach."""
        said = []
        for index, alpha, beta in edits:
            d = self.directions[index]
            said += d.notices
            if alpha and not self.moved(index, beta):
                said.append(
                    f"\u201c{d.target}\u201d moves nothing at beta {beta:g}; a lower beta moves more."
                )
        if self.route == "F":
            said.append(
                "With route F only layers beyond F change: colours and light, hardly any shape. "
                "The W+ route changes shapes, too."
            )
        return said

    def result(
        self, edits: Sequence[Edit], watch: StageTimer | None = None, paste: bool = True
    ) -> Steps[Result]:
        """The edits as a result."""
        watch = watch or StageTimer()
        with watch.stage("directions"):
            code = self._synthesis.shifted(self._shift(edits))
        told = [
            {
                "target": self.directions[i].target,
                "neutral": self.directions[i].neutral,
                "alpha": a,
                "beta": b,
            }
            for i, a, b in edits
        ]
        settings = {"method": "directions", "route": self.route, "edits": told}
        channels = {self.directions[i].target: self.moved(i, b) for i, _, b in edits}
        yield Step("directions", 1, 1)
        return (
            yield from chain.finish(
                self.pack,
                self.start,
                code,
                "text",
                settings,
                self.preset,
                self.seed,
                watch,
                {"channels": channels},
                tuple(self.remarks(edits)),
                paste,
            )
        )

    def _shift(self, edits: Sequence[Edit]) -> Tensor:
        """The change of S of stacked edits, [1,M]."""
        total = torch.zeros_like(self.table.std)
        for index, alpha, beta in edits:
            check(alpha, beta)
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
