"""The soft step that masks and motions fade along."""

from __future__ import annotations

import numpy as np


def smoothstep(x: np.ndarray | float, low: float = 0.0, high: float = 1.0) -> np.ndarray:
    """0 up to ``low``, 1 from ``high`` on, between them Hermite's cubic, which is level at both ends."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)
