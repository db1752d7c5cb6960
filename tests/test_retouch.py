"""The change between two pictures of a drawn face, given to another drawn head."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from drawn_head import moved_portrait, portrait

from barbershop_core.compositing import retouch
from barbershop_core.compositing.face_points import CHIN, INNER_LIPS
from barbershop_core.compositing.retouch import Retouch

BROWN, CHESTNUT, BLOND = (0.32, 0.2, 0.12), (0.5, 0.34, 0.2), (0.75, 0.6, 0.35)


@pytest.fixture(scope="module")
def drawn():
    """The generator's face, and its hair's and skin's masks."""
    return portrait(BROWN, seed=3)


@pytest.fixture(scope="module")
def photo():
    return portrait((0.25, 0.16, 0.1), seed=7, long=1.5)


def lab(image: np.ndarray, where: np.ndarray) -> np.ndarray:
    return np.median(cv2.cvtColor(image, cv2.COLOR_RGB2LAB)[where], 0)


def painted(face, part: str, colour: tuple[float, float, float]) -> np.ndarray:
    """The picture with one part multiplied by a colour."""
    share = face.part(part)[..., None]
    return np.float32(np.clip(face.image * (1 + share * (np.float32(colour) - 1)), 0, 1))


def shut(face):
    """With the mouth's points on the chin: nothing is added between lips."""
    mesh = face.mesh.copy()
    mesh[list(INNER_LIPS)] = mesh[CHIN]
    return replace(face, mesh=mesh)


def test_no_change_is_none(photo, drawn):
    image, changed = Retouch(photo, drawn)(drawn.image)
    assert not changed.any()
    np.testing.assert_array_equal(image, photo.image)
    noise = np.random.default_rng(0).normal(0, 0.004, drawn.image.shape).astype(np.float32)
    assert not Retouch(photo, drawn)(np.clip(drawn.image + noise, 0, 1))[1].any()


def test_hair_takes_the_colour_and_keeps_its_strands(photo, drawn):
    after = portrait(CHESTNUT, seed=3).image
    image, changed = Retouch(photo, drawn)(after)
    hair = photo.part("hair") > 0.98
    asked = lab(after, drawn.part("hair") > 0.98) - lab(drawn.image, drawn.part("hair") > 0.98)
    done = lab(image, hair) - lab(photo.image, hair)
    assert np.linalg.norm(done - asked) < 0.25 * np.linalg.norm(asked)

    def strands(x):
        grey = cv2.cvtColor(x, cv2.COLOR_RGB2GRAY)
        return (grey - cv2.GaussianBlur(grey, (0, 0), 2))[hair]

    assert np.corrcoef(strands(photo.image), strands(image))[0, 1] > 0.9
    assert strands(image).std() > strands(photo.image).std()  # lighter hair shows more of them


def test_what_an_edit_does_not_name_is_untouched(photo, drawn):
    """The generator's skin and wall change a little, too, when its hair does."""
    after = painted(portrait(BLOND, seed=3), "skin", (0.94, 0.94, 0.94))
    image, changed = Retouch(photo, drawn)(after)
    for part in ("skin", "background"):
        sure = cv2.erode(np.uint8(photo.part(part) > 0.99), np.ones((15, 15))) > 0
        np.testing.assert_array_equal(image[sure], photo.image[sure])
        assert changed[sure].max() == 0


def test_skin_is_not_changed_further_than_the_generators(photo, drawn):
    """Skin that is as pale already as what the word asks for stays."""
    after = painted(drawn, "skin", (1.1, 1.12, 1.15))
    pale = replace(photo, image=painted(photo, "skin", (1.1, 1.12, 1.15)))
    skin = cv2.erode(np.uint8(photo.part("skin") > 0.99), np.ones((9, 9))) > 0
    moved = lab(Retouch(photo, drawn)(after)[0], skin) - lab(photo.image, skin)
    again = lab(Retouch(pale, drawn)(after)[0], skin) - lab(pale.image, skin)
    assert moved[0] > 2 and np.linalg.norm(again) < 0.3 * np.linalg.norm(moved)


def test_what_is_added_lies_on_the_same_place_of_the_face(drawn):
    """A dark patch in the middle of the generator's face, carried to a face elsewhere in the photo."""
    drawn, other = (shut(face) for face in (drawn, portrait(BROWN, seed=9)))
    photo = moved_portrait(other, 0.8, 12, (30, 10))
    places = np.int32(np.rint(drawn.mesh[[33, 263, 1], :2]))
    middle = places.mean(0)
    after = drawn.image.copy()
    cv2.circle(after, tuple(np.int32(np.rint(middle)).tolist()), 6, (0.05, 0.05, 0.06), -1)
    image, changed = Retouch(photo, drawn)(after)
    darker = (photo.image - image).mean(-1)
    y, x = np.nonzero(darker > 0.5 * darker.max())
    wanted = photo.mesh[[33, 263, 1], :2].mean(0)
    assert darker.max() > 0.3 and np.hypot(x.mean() - wanted[0], y.mean() - wanted[1]) < 3
    assert changed[np.hypot(*(np.indices(changed.shape)[::-1] - wanted[:, None, None])) > 20].max() == 0


def test_strength_is_monotone(photo, drawn):
    """A slider: more of the same change changes more."""
    ready, blond = Retouch(photo, drawn), portrait(BLOND, seed=3).image
    hair = photo.part("hair") > 0.98
    light = [lab(ready(drawn.image + s * (blond - drawn.image))[0], hair)[0] for s in (0, 0.25, 0.5, 0.75, 1)]
    assert (np.diff(light) > 0).all()


def test_dark_hair_made_fair_has_no_black_patches():
    """Hair of half the light stays of half the light: L + 16 is proportional to the cube root of Y (CIE 1976)."""
    low, fine = np.zeros((2, 2, 3), np.float32), np.zeros((2, 2, 3), np.float32)
    dark = 116 * (0.5 * (26 / 116) ** 3) ** (1 / 3) - 16  # half the light of L = 10
    low[0, :, 0], low[1, :, 0] = 10, dark
    made = retouch._recoloured(low, fine, np.float32([10, 0, 0]), np.float32([60, 4, 28]))
    light = ((made[..., 0] + 16) / 116) ** 3
    np.testing.assert_allclose(made[0, :, 0], 60, atol=1e-3)
    np.testing.assert_allclose(light[1], light[0] / 2, rtol=1e-3)
