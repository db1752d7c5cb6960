"""Scores the items of an evaluation, in this process or by several workers; the figures are the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ..errors import BarbershopError
from ..pack import open_pack
from ..progress import Step, Steps, run
from ..protocols import PackLike
from ..workers import Outcome, pool
from ..workers.threads import limited

T = TypeVar("T")
Score = Callable[[Any], Steps[T]]
"""Steps that score an item."""


@dataclass(frozen=True)
class Workers:
    """How many workers score, and where; see `workers.pool`."""

    count: int = 1
    ray: str | None = None
    gpus_each: float = 0.0

    @property
    def alone(self) -> bool:
        """Whether this process scores by itself."""
        return self.count == 1 and self.ray is None


ALONE = Workers()


@dataclass(frozen=True)
class _Opener(Generic[T]):
    """Opens the pack in a worker.  manifest: its path."""

    manifest: str
    device: str
    scorer: Callable[[PackLike], Score[T]]

    def __call__(self) -> Callable[[Any], T]:
        score = self.scorer(open_pack(self.manifest, self.device))
        return lambda item: run(score(item))


def scored(
    pack: PackLike,
    scorer: Callable[[PackLike], Score[T]],
    items: Iterable[Any],
    workers: Workers,
    told: Callable[[Outcome], Step],
) -> Steps[list[Outcome]]:
    """Score every item; an outcome's value is what its steps return, its error a BarbershopError.

    scorer: what scores with an open pack; has to be picklable, as have the items and their values, where several
    workers score.  told: the step for an outcome, in the order in which they finish.  A single worker yields the
    steps of each item, too.  Returns the outcomes in the order of the items.
    """
    found = []
    if workers.alone:
        score = scorer(pack)
        with limited(1):  # as other workers have
            for index, item in enumerate(items):
                try:
                    outcome = Outcome(index, (yield from score(item)))
                except BarbershopError as error:
                    outcome = Outcome(index, error=error)
                found.append(outcome)
                yield told(outcome)
        return found
    opener = _Opener(str(pack.manifest.path), str(pack.device), scorer)
    with pool(opener, workers.count, workers.ray, workers.gpus_each) as team:
        for outcome in team.run(items):
            if outcome.error is not None and not isinstance(outcome.error, BarbershopError):
                raise outcome.error
            found.append(outcome)
            yield told(outcome)
    return sorted(found, key=lambda outcome: outcome.index)
