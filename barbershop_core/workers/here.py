"""The only worker: this process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .outcome import Outcome


class Here:
    """Does the items in this process, one after the other."""

    def __init__(self, make: Callable[[], Callable[[Any], Any]]):
        self._make, self._work = make, None

    def run(self, items: Iterable[Any]) -> Iterator[Outcome]:
        """Yields the outcomes in the order of the items.  Raises what ``make`` raises."""
        for index, item in enumerate(items):
            if self._work is None:
                self._work = self._make()
            try:
                outcome = Outcome(index, self._work(item))
            except Exception as error:
                outcome = Outcome(index, error=error)
            yield outcome
