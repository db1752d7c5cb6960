"""What comes into view when hair goes: continued from the photo's own surroundings."""

import cv2
import numpy as np

from barbershop_core.compositing.continuation import continue_colours
from barbershop_core.compositing.fill import continue_into


def test_continued_colours_stay_within_the_known_ones():
    image = np.random.default_rng(1).random((33, 50, 3)).astype(np.float32)
    known = np.zeros((33, 50), np.float32)
    known[5:9, 7:30] = 1
    full = continue_colours(image, known)
    assert np.allclose(full[known > 0], image[known > 0])
    assert full.min() >= image[known > 0].min() - 1e-5 and full.max() <= image[known > 0].max() + 1e-5
    constant = continue_colours(np.full_like(image, 0.3), known)
    assert np.allclose(constant, 0.3, atol=1e-5)
    assert not continue_colours(image, np.zeros_like(known)).any()


def test_a_hole_in_a_gradient_is_continued_with_the_gradient_and_its_grain():
    size, random = 256, np.random.default_rng(2)
    y, x = np.mgrid[:size, :size] / size
    clean = np.stack([0.3 + 0.4 * x, 0.5 + 0.2 * y, 0.6 - 0.2 * x], 2)
    image = (clean + random.normal(0, 0.02, clean.shape)).astype(np.float32)
    hole = np.zeros((size, size), np.float32)
    hole[70:190, 60:200] = 1
    ruined = np.where(hole[..., None] > 0, np.float32(1), image)
    filled = continue_into(ruined, hole, 1 - hole, seed=3)
    assert np.array_equal(filled[hole == 0], image[hole == 0])
    inside = hole > 0
    assert np.abs(cv2.GaussianBlur(filled, (0, 0), 6) - clean)[inside].mean() < 0.02
    fine = filled - cv2.GaussianBlur(filled, (0, 0), 3)
    assert 0.7 < fine[inside].std() / fine[~inside].std() < 1.3
    assert np.array_equal(filled, continue_into(ruined, hole, 1 - hole, seed=3))
