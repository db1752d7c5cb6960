"""A clock for what trains until its minutes are over: as many steps fit in on every machine."""

from __future__ import annotations

import itertools
from types import ModuleType, SimpleNamespace

import pytest


def ticking(monkeypatch: pytest.MonkeyPatch, module: ModuleType, seconds: float = 1.0) -> None:
    """Let every look that ``module`` takes at the clock last ``seconds``."""
    looks = itertools.count()
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: seconds * next(looks)))
