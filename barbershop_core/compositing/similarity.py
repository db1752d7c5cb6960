"""The similarity that lays points on others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Similarity:
    """points -> scale * points @ rotation.T + shift: scale, rotation [D,D] without reflection, shift [D]."""

    scale: float
    rotation: np.ndarray
    shift: np.ndarray

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Points [...,D] moved."""
        return self.scale * points @ self.rotation.T + self.shift

    @property
    def matrix(self) -> np.ndarray:
        """[D,D+1]: scaled rotation and shift side by side."""
        return np.concatenate([self.scale * self.rotation, self.shift[:, None]], 1)


def similarity(source: np.ndarray, target: np.ndarray, weights: np.ndarray | None = None) -> Similarity:
    """The one that carries points [N,D] nearest to others in least squares (Umeyama 1991), weights [N] if given.

    Raises ValueError where the source's points coincide.
    """
    source, target = np.asarray(source, np.float64), np.asarray(target, np.float64)
    weights = np.ones(len(source)) if weights is None else np.asarray(weights, np.float64)
    weights = weights[:, None] / weights.sum()
    centre, to = (weights * source).sum(0), (weights * target).sum(0)
    a, b = source - centre, target - to
    spread = (weights * a**2).sum()
    if spread <= 1e-12:
        raise ValueError("The points of a similarity have to differ.")
    left, singular, right = np.linalg.svd((weights * b).T @ a)
    proper = np.ones(len(singular))
    proper[-1] = np.sign(np.linalg.det(left @ right))
    rotation = left * proper @ right
    scale = float((singular * proper).sum() / spread)
    return Similarity(scale, rotation, to - scale * rotation @ centre)
