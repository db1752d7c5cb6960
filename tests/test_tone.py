"""The tone of skin is put back where the generator's rig moved it, and only there."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from barbershop_core.editing.regions import region_index
from barbershop_core.pie.tone import LEAST, with_own_tone

SIDE = 64


@pytest.fixture
def own():
    """A face of one skin colour, with texture, in front of grey."""
    labels = np.full((SIDE, SIDE), region_index("background"))
    labels[16:48, 16:48] = region_index("skin")
    picture = np.full((SIDE, SIDE, 3), 0.5, np.float32)
    noise = np.random.default_rng(0).normal(0, 0.02, (32, 32, 1))
    picture[16:48, 16:48] = np.float32([0.35, 0.22, 0.16]) + noise
    return picture.astype(np.float32), labels


def tone(picture, labels):
    return cv2.cvtColor(picture, cv2.COLOR_RGB2LAB)[labels == region_index("skin")].mean(0)


def lighter(picture, step):
    lab = cv2.cvtColor(picture, cv2.COLOR_RGB2LAB)
    return cv2.cvtColor(np.float32(lab + step), cv2.COLOR_LAB2RGB).clip(0, 1)


def test_a_lighter_skin_is_put_back_with_its_texture(own):
    picture, labels = own
    moved = lighter(picture, [9, -3, 2])
    back = with_own_tone(moved, labels, picture, labels, shaded=False)
    assert np.linalg.norm(tone(moved, labels) - tone(picture, labels)) > 5
    assert np.linalg.norm(tone(back, labels) - tone(picture, labels)) < 1.0
    inside = np.s_[20:44, 20:44]
    np.testing.assert_allclose(back[inside].std(), picture[inside].std(), rtol=0.15)
    np.testing.assert_allclose(back[:8], moved[:8], atol=0.01)  # what is no skin stays as it is


def test_other_light_may_shade_but_not_tint(own):
    picture, labels = own
    shaded = np.clip(picture * 1.35, 0, 1).astype(np.float32)
    tinted = lighter(shaded, [0, 8, -6])
    back = with_own_tone(tinted, labels, picture, labels, shaded=True)
    assert abs(tone(back, labels)[0] - tone(tinted, labels)[0]) < 1.0  # as light as the lamp makes it
    own_tone, new = tone(picture, labels) + [16, 0, 0], tone(back, labels) + [16, 0, 0]
    assert np.linalg.norm(new * own_tone[0] / new[0] - own_tone) < 1.5


def test_small_shifts_and_faces_that_are_not_seen_stay(own):
    picture, labels = own
    nearly = lighter(picture, [0.5 * LEAST, 0, 0])
    assert with_own_tone(nearly, labels, picture, labels, shaded=False) is nearly
    nobody = np.zeros_like(labels)
    assert with_own_tone(nearly, nobody, picture, labels, shaded=False) is nearly
