"""The shadow that hair throws: drawn hair on a drawn face, whose shadow is known."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from drawn_head import SIZE, portrait
from scipy.special import erfc

from barbershop_core.barbershop.carry import carry_hair
from barbershop_core.compositing.contact import STRENGTH, WARM, contact_shadow, shadow_strength

BROWN, BLOND = (0.32, 0.2, 0.12), (0.75, 0.6, 0.35)
ROWS = np.arange(SIZE, dtype=np.float32)[:, None] * np.ones(SIZE, np.float32)
EDGE = 100
"""Row down to which hair hangs."""


@pytest.fixture(scope="module")
def face():
    """Skin everywhere, in even light; its eyes are 128 px apart."""
    drawn = portrait(BROWN)
    everywhere = np.ones((SIZE, SIZE), np.float32)
    image = everywhere[..., None] * np.float32([0.8, 0.62, 0.52])
    return replace(drawn, image=image, parts={"skin": everywhere})


def test_a_shadow_is_deepest_at_the_hair_and_warm(face):
    hair = np.float32(ROWS < EDGE)
    left = contact_shadow(hair, np.ones_like(hair), face, 0.5)
    below = left[EDGE : EDGE + 70, SIZE // 2]
    assert (np.diff(below, axis=0) > -1e-4).all()  # ever less of it away from the hair
    assert below[1].mean() < 0.85 and below[35].mean() > 0.95 and below[60:].min() > 0.995
    assert left.max() <= 1
    assert below[3, 0] > below[3, 1] > below[3, 2]


def test_light_comes_from_above(face):
    under = contact_shadow(np.float32(ROWS < EDGE), np.ones((SIZE, SIZE)), face, 0.5)[EDGE + 5, SIZE // 2]
    above = contact_shadow(np.float32(ROWS > EDGE), np.ones((SIZE, SIZE)), face, 0.5)[EDGE - 5, SIZE // 2]
    assert (under < above - 0.02).all()


def test_the_wall_behind_is_not_in_the_shadow(face):
    assert (contact_shadow(np.float32(ROWS < EDGE), np.zeros((SIZE, SIZE), np.float32), face, 0.5) == 1).all()


def test_a_shadow_of_known_depth_is_measured(face):
    hair = np.float32(ROWS < EDGE)
    found = []
    for depth in (0.0, 0.2, 0.3):
        near = erfc((ROWS - EDGE) / (0.06 * 128)) / 2
        image = face.image * np.exp(-2 * depth * near)[..., None]
        image = np.where(hair[..., None] > 0, np.float32(BROWN), image).astype(np.float32)
        found.append(shadow_strength(replace(face, image=image), hair))
    assert found[0] == pytest.approx(STRENGTH[0])
    assert found[0] < found[1] < found[2] <= STRENGTH[1]


def test_without_skin_the_usual_shadow_is_meant(face):
    hair = np.ones((SIZE, SIZE), np.float32)
    assert shadow_strength(face, hair) == pytest.approx(sum(STRENGTH) / 2)


def test_carried_hair_darkens_the_skin_beside_it_and_no_other():
    person, other = portrait(BROWN), portrait(BLOND, seed=5, long=1.5)
    made = carry_hair(person, other, other)
    skin = (made.parts["hair"] < 0.01) & (person.part("skin") > 0.99)
    away = cv2.distanceTransform(np.uint8(made.parts["hair"] < 0.05), cv2.DIST_L2, 5)
    ratio = made.image.mean(2) / person.image.mean(2)
    beside, far = skin & (away > 2) & (away < 5), skin & (away > 45)
    assert ratio[beside].mean() < 0.97
    assert abs(ratio[far].mean() - 1) < 0.01


def test_the_shadow_spares_red_light():
    assert WARM[0] < WARM[1] < WARM[2]
