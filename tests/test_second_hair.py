"""A second edit of hair leaves no holes: hair in new colours is still hair, and no scalp is left bare."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from drawn_head import portrait
from small_face import painted

from barbershop_core.barbershop.carry import carry_hair
from barbershop_core.barbershop.hair_layer import hair_onto
from barbershop_core.barbershop.scalp import over_scalp
from barbershop_core.compositing.planes import widened
from barbershop_core.compositing.skull import skull
from barbershop_core.editing import photographs
from barbershop_core.editing.photographs import with_recoloured_hair

BROWN, BLOND = (0.32, 0.2, 0.12), (0.75, 0.6, 0.35)


def pixels(photograph) -> np.ndarray:
    return np.rint(photograph.image * 255).astype(np.uint8)


@pytest.fixture(scope="module")
def recoloured():
    """A drawn head, the same with blond hair, and regions in which the parser misses a quarter of that hair."""
    person = portrait(BROWN)
    image = carry_hair(person, None, portrait(BLOND, seed=5)).image
    missed = np.zeros_like(person.parts["hair"])
    missed[:, person.size // 2 :] = person.parts["hair"][:, person.size // 2 :]
    parts = {**person.parts, "hair": person.parts["hair"] - missed, "hat": missed}
    return person, replace(person, image=image, parts=parts), missed > 0.9


def test_hair_in_another_colour_is_still_hair(recoloured):
    person, blond, missed = recoloured
    assert np.abs(blond.image - person.image)[missed].mean() > 0.15
    parts = with_recoloured_hair(blond.parts, person.parts, pixels(blond), pixels(person))
    assert parts["hair"][missed].mean() > 0.8 and parts["hat"][missed].mean() < 0.2
    total = sum(parts.values())
    np.testing.assert_allclose(total, 1, atol=0.02)


def test_hair_that_an_earlier_edit_took_away_is_not_brought_back(recoloured):
    person, _, _ = recoloured
    bald = replace(
        person, image=np.full_like(person.image, 0.6), parts={"background": np.ones_like(person.parts["hair"])}
    )
    parts = with_recoloured_hair(bald.parts, person.parts, pixels(bald), pixels(person))
    assert parts["hair"].max() < 0.05


def test_a_photograph_of_an_edit_knows_the_photos_hair(recoloured, monkeypatch):
    """Where the parser is asked about an edited picture."""
    person, blond, missed = recoloured
    found = {pixels(person).tobytes(): person.parts, pixels(blond).tobytes(): blond.parts}
    monkeypatch.setattr(photographs, "find_parts", lambda pack, picture: found[picture.tobytes()])
    monkeypatch.setattr(photographs, "find_face", lambda pack, picture: (person.mesh, None, {}))

    class Portrait:
        def at(self, size):
            return pixels(person)

    from PIL import Image

    class Previous:
        image = Image.fromarray(pixels(blond))

    edited = photographs.photograph(None, Portrait(), Previous(), size=person.size)
    assert edited.part("hair")[missed].mean() > 0.8


def test_no_scalp_is_left_bare_at_the_side_of_a_turned_head():
    """Short hair that was seen from the front on a head that is turned, and whose own hair reached further."""
    person, reference = painted((28.0, 0, 0), side=256), painted(side=256)
    short = widened(reference.part("skin"), 6) * (1 - reference.part("skin"))
    short[140:] = 0
    reference = replace(reference, parts={**reference.parts, "hair": short, "background": 1 - short})
    head, hair, none = skull(person), hair_onto(person, reference), np.zeros(person.image.shape[:2], bool)
    own = widened(head.outline(person.image.shape[:2]), 8)
    covered = over_scalp(person, own, replace(hair, evidence=0.0), head, (none, none), reference)
    up, ear = head.matrix[:2, 1], head.at((0, 2.0, 0))[0]
    y, x = np.mgrid[: person.size, : person.size]
    above = (x - ear[0]) * up[0] + (y - ear[1]) * up[1] > 0
    oval = np.zeros(above.shape, np.uint8)
    cv2.fillPoly(oval, [np.rint(head.oval).astype(np.int32)], 1)
    scalp = (head.outline(above.shape) > 0.9) & above & (widened(oval, 0.25 * person.eye_distance) < 0.5)
    sideways = np.linalg.inv(head.matrix / head.centimetre)[0]  # what looks to the head's side, hidden from the front
    scalp &= np.abs(head.surface(above.shape)[1] @ sideways) > 0.9
    assert scalp.sum() > 200 and hair.alpha[scalp].mean() < 0.5
    assert covered.alpha[scalp].mean() > 0.95
    assert np.abs(covered.colours[scalp].mean(0) - 0.25).max() < 0.12  # the hair's colour
    inside = cv2.erode(oval, np.ones((9, 9))) > 0
    np.testing.assert_array_equal(covered.alpha[inside], hair.alpha[inside])


def test_a_high_forehead_stays_one():
    """Skin that the reference shows where the person had hair is no gap in the hair."""
    person, reference = painted(side=256), painted(side=256)
    crown = widened(reference.part("skin"), 30) * (1 - widened(reference.part("skin"), 18))
    crown[140:] = 0
    reference = replace(reference, parts={**reference.parts, "hair": crown, "background": 1 - crown})
    head, hair, none = skull(person), hair_onto(person, reference), np.zeros(person.image.shape[:2], bool)
    own = widened(head.outline(person.image.shape[:2]), 8)
    covered = over_scalp(person, own, replace(hair, evidence=0.0), head, (none, none), reference)
    forehead = widened(person.part("skin"), 18) > 0.5
    assert hair.alpha[forehead].mean() < 0.05
    np.testing.assert_array_equal(covered.alpha[forehead], hair.alpha[forehead])


def test_no_crown_rises_above_the_hair():
    """Hair of a flatter head than the person's, whose own hair was higher."""
    person, reference = painted(side=256), painted(side=256)
    flat = widened(reference.part("skin"), 12) * (1 - widened(reference.part("skin"), -6))
    flat[140:] = 0
    reference = replace(reference, parts={**reference.parts, "hair": flat, "background": 1 - flat})
    head, none = skull(person), np.zeros(person.image.shape[:2], bool)
    hair = replace(hair_onto(person, reference), evidence=0.0, alpha=flat, colours=np.full_like(person.image, 0.25))
    scalp = head.outline(none.shape) > 0.9
    own = widened(scalp, 8)
    top = round(np.nonzero(flat.sum(1))[0].min())
    crown = scalp & (np.arange(person.size)[:, None] < top - 2)
    assert crown.sum() > 100
    covered = over_scalp(person, own, hair, head, (none, none), reference)
    assert covered.alpha[crown].mean() > 0.95 and covered.colours[crown].max() < 0.3
    face = cv2.erode(person.part("skin"), np.ones((21, 21))) > 0.5
    np.testing.assert_array_equal(covered.alpha[face], flat[face])
    bald = over_scalp(person, np.zeros_like(own), hair, head, (none, none), reference)
    np.testing.assert_array_equal(bald.alpha, flat)  # where no hair was, the photo shows what is there
