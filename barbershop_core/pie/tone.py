"""The tone of skin after an edit by the generator, whose rig moves more than it is asked to."""

from __future__ import annotations

import cv2
import numpy as np

from ..compositing.planes import widened
from ..editing.regions import region_index

SKIN = ("skin", "nose")
"""Regions whose mean colour is the tone."""
TONED = ("skin", "nose", "ears", "neck", "mouth")
"""Regions that are corrected."""
LEAST = 1.0
"""Distance in Lab that is left as it is."""
SOFT = 0.01
"""Softness of the corrected regions, as a share of the picture's side."""


def with_own_tone(
    picture: np.ndarray, labels: np.ndarray, own: np.ndarray, own_labels: np.ndarray, shaded: bool
) -> np.ndarray:
    """A picture of the person whose skin has the mean colour that it had before, float32 [S,S,3] in 0..1.

    picture, own: float32 [S,S,3] in 0..1, after the edit and before it.  labels, own_labels: their regions, indices
    into `editing.regions.REGIONS`, [S,S].  shaded: whether other light was asked for, which scales L + 16, a and b
    alike; then lightness stays as the light has made it.
    """
    both = np.logical_and(*(np.isin(x, [region_index(name) for name in SKIN]) for x in (labels, own_labels)))
    if both.mean() < 0.01:
        return picture
    lab, before = (cv2.cvtColor(np.float32(x), cv2.COLOR_RGB2LAB) for x in (picture, own))
    found, goal = lab[both].mean(0), before[both].mean(0)
    if shaded:
        goal = (goal + [16, 0, 0]) * (found[0] + 16) / (goal[0] + 16) - [16, 0, 0]
    step = goal - found
    if np.linalg.norm(step) < LEAST:
        return picture
    where = widened(np.isin(labels, [region_index(name) for name in TONED]), 1)
    where = cv2.GaussianBlur(where, (0, 0), max(SOFT * len(where), 0.5))[..., None]
    return np.clip(cv2.cvtColor(np.float32(lab + where * step), cv2.COLOR_LAB2RGB), 0, 1)
