"""Runs of a visit and looks at its photo, which overlap: whoever presses Run does not wait for the look at the upload.

A run waits for the looks that came before it, and a look leaves to the runs that came after it what they show:
otherwise the one that ends last would write over what the other has said.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .visits import Visit

_runs: dict[object, str] = {}
"""The visit of each run that has not ended yet, cancelled ones included."""
_looks: dict[object, str] = {}
_pressed: OrderedDict[str, int] = OrderedDict()
"""How often something was to be run in a visit; the last 10,000 visits."""
_cleared: OrderedDict[str, str | None] = OrderedDict()
"""The chain for which a visit's page was cleared last; of the last 10,000 visits."""
_made: OrderedDict[str, str | None] = OrderedDict()
"""The chain from which a visit's last result came; of the last 10,000 visits."""
_stopped: OrderedDict[str, int] = OrderedDict()
"""What `pressed` said when a visit's run was stopped last; of the last 10,000 visits."""


def press(visit: Visit) -> None:
    """Note that something is to be run."""
    _keep(_pressed, visit, pressed(visit) + 1)


def made(visit: Visit) -> None:
    """Note that the visit's chain has brought a result, which the page shows."""
    _keep(_made, visit, visit.chain)


def clears(visit: Visit) -> bool:
    """Whether the page still shows sliders and masks of a chain before this one; notes that they are cleared.

    A run that was pressed before its photo was looked at begins the chain; where it was refused, nothing on the page
    belongs to it."""
    chain, name = visit.chain, visit.folder.name
    stale = chain not in (_cleared.get(name), _made.get(name))
    _keep(_cleared, visit, chain)
    return stale


def _keep(kept: OrderedDict, visit: Visit, value: object) -> None:
    kept[visit.folder.name] = value
    kept.move_to_end(visit.folder.name)
    while len(kept) > 10_000:
        kept.popitem(last=False)


def pressed(visit: Visit) -> int:
    """How often something was to be run so far."""
    return _pressed.get(visit.folder.name, 0)


def stop(visit: Visit) -> None:
    """Note that what runs was stopped."""
    _keep(_stopped, visit, pressed(visit))


def begun_since_stop(visit: Visit) -> bool:
    """Whether something was to be run since, even if it has ended already."""
    return _stopped.get(visit.folder.name) != pressed(visit)


def running(visit: Visit) -> AbstractContextManager[None]:
    """A run, until its last answer."""
    return _noted(visit, _runs)


def looking(visit: Visit) -> AbstractContextManager[None]:
    """A look at the photo of the person."""
    return _noted(visit, _looks)


@contextmanager
def _noted(visit: Visit, kept: dict[object, str]) -> Iterator[None]:
    mine = object()
    kept[mine] = visit.folder.name
    try:
        yield
    finally:
        del kept[mine]


def runs(visit: Visit) -> set[object]:
    """What is computed for a visit, or waits to be."""
    return _of(visit, _runs)


def looked(visit: Visit, most: float = 60.0) -> None:
    """Wait until the looks that are under way have ended, at most some seconds."""
    _until_ended(_of(visit, _looks), _looks, most)


def let_end(ending: set[object], most: float = 5.0) -> None:
    """Wait until runs have ended that were cancelled, or have lost their place, at most some seconds.

    A run's last answer may be on its way to the browser: what comes after this call is shown after it."""
    if not ending & _runs.keys():
        return
    _until_ended(ending, _runs, most)
    time.sleep(0.3)


def _of(visit: Visit, kept: dict[object, str]) -> set[object]:
    return {turn for turn, name in list(kept.items()) if name == visit.folder.name}


def _until_ended(ending: set[object], kept: dict[object, str], most: float) -> None:
    deadline = time.monotonic() + most
    while ending & kept.keys() and time.monotonic() < deadline:
        time.sleep(0.05)
