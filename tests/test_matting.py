"""Alpha of hair: found from the photo's colours where the parser is only roughly right."""

import numpy as np
import pytest

from barbershop_core.compositing.matting import foreground, hair_alpha
from barbershop_core.compositing.photograph import Photograph

HAIR, WALL = np.array([0.35, 0.2, 0.1], np.float32), np.array([0.75, 0.8, 0.85], np.float32)


@pytest.fixture(scope="module")
def disc():
    """A disc of hair with strands over a plain wall, its true alpha, and a parser that is several pixels off."""
    size, random = 320, np.random.default_rng(0)
    y, x = np.mgrid[:size, :size] - size / 2
    angle, radius = np.arctan2(y, x), np.hypot(x, y)
    strands = np.clip((np.cos(angle * 40) - 0.6) * 6, 0, 1) * (radius < 105)
    truth = np.maximum(np.clip(92 - radius, 0, 1), strands).astype(np.float32)
    hair = HAIR * (1 + 0.3 * np.sin(angle * 90))[..., None]
    image = WALL + (hair - WALL) * truth[..., None] + random.normal(0, 0.01, (size, size, 3))
    parsed = 1 / (1 + np.exp((np.hypot(x - 4, y + 3) - 97) / 3))
    parts = {"hair": parsed.astype(np.float32), "background": 1 - parsed.astype(np.float32)}
    known = np.ones((size, size), np.float32)
    return Photograph(np.clip(image, 0, 1).astype(np.float32), known, parts), truth


def test_strands_are_in_and_the_wall_between_them_is_out(disc):
    photograph, truth = disc
    alpha = hair_alpha(photograph)
    assert alpha.dtype == np.float32 and alpha.shape == truth.shape and 0 <= alpha.min() and alpha.max() <= 1
    parsed = photograph.part("hair", size=photograph.size)
    assert np.abs(alpha - truth).mean() < 0.4 * np.abs(parsed - truth).mean()
    y, x = np.mgrid[: len(truth), : len(truth)] - len(truth) / 2
    loose = np.abs(np.hypot(x, y) - 99) < 5
    assert alpha[loose & (truth > 0.95)].mean() > 0.75
    assert alpha[loose & (truth < 0.05)].mean() < 0.25


def test_the_foreground_does_not_show_the_wall(disc):
    photograph, truth = disc
    colours = foreground(photograph.image, truth)
    edge = (truth > 0.05) & (truth < 0.7)
    mixed, clean = (np.abs(image[edge] - HAIR).mean() for image in (photograph.image, colours))
    assert clean < 0.1 < mixed
    inner = truth > 0.99
    assert np.array_equal(colours[inner], photograph.image[inner])
