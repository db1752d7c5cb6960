"""What became of an item."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """index: of the item, from 0.  value: what the function returned.  error: what it raised, else ``None``."""

    index: int
    value: Any = None
    error: Exception | None = None
