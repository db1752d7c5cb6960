"""What comes into view when hair goes: continued from the photo's own surroundings."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from drawn_head import SIZE, portrait

from barbershop_core.compositing.continuation import continue_colours, harmonic
from barbershop_core.compositing.ears import borrowed_ears
from barbershop_core.compositing.face_points import BROWS, EYES, LIPS, OVAL
from barbershop_core.compositing.fill import continue_into, without_hair
from barbershop_core.compositing.motion import Field
from barbershop_core.compositing.photograph import Photograph
from barbershop_core.compositing.skull import skull
from barbershop_core.compositing.torso import torso_under_hair
from barbershop_core.compositing.traces import hair_and_traces

HAIR, WALL = (0.2, 0.12, 0.08), np.array([0.75, 0.78, 0.8], np.float32)


def test_harmonic_continuation_is_linear_between_two_sides_and_falls_off_with_decay():
    known = np.zeros((64, 64), np.float32)
    known[:, :8] = known[:, 56:] = 1
    slope = np.linspace(0, 1, 64, dtype=np.float32)[None] * np.ones((64, 1), np.float32)
    assert np.abs(harmonic(slope, known) - slope).max() < 0.02
    left = np.zeros((128, 128), np.float32)
    left[:, :8] = 1
    expected = np.exp(-2 * np.sqrt(0.002) * (np.arange(8, 60) - 7))
    assert np.abs(harmonic(left, left, decay=0.002)[64, 8:60] - expected).max() < 0.08


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


@pytest.fixture(scope="module")
def person():
    """With eyes, brows and lips where a face has them; only their outlines, nothing is drawn there."""
    drawn = portrait(HAIR)
    mesh = drawn.mesh.copy()
    middle, (width, height) = mesh[list(OVAL), :2].mean(0), np.ptp(mesh[list(OVAL), :2], axis=0) / 2
    places = {EYES[0]: (-0.45, -0.1), EYES[1]: (0.45, -0.1), LIPS: (0, 0.55), BROWS[0]: (-0.45, -0.25)}
    for outline, (x, y) in {**places, BROWS[1]: (0.45, -0.25)}.items():
        angle = np.linspace(0, 2 * np.pi, len(outline), endpoint=False)
        mesh[list(outline), 0] = middle[0] + width * (x + 0.2 * np.cos(angle))
        mesh[list(outline), 1] = middle[1] + height * (y + 0.05 * np.sin(angle))
    return replace(drawn, mesh=mesh)


@pytest.fixture(scope="module")
def bald(person):
    return without_hair(person, person.part("hair"))


def test_what_hair_does_not_touch_stays(person, bald):
    far = cv2.dilate(person.part("hair"), np.ones((61, 61))) < 0.01
    assert far.sum() > 1000
    assert np.abs(bald - person.image)[far].max() < 1e-3


def test_the_wall_behind_hair_is_the_wall(person, bald):
    head = skull(person).outline((SIZE, SIZE))
    uncovered = (person.part("hair") > 0.5) & (cv2.dilate(head, np.ones((9, 9))) < 0.01)
    uncovered[SIZE * 3 // 4 :] = False  # there a neck may be
    assert uncovered.sum() > 1000
    assert np.abs(bald[uncovered].mean(0) - WALL).max() < 0.02
    assert np.abs(bald - WALL)[uncovered].max() < 0.15  # nowhere hair's colour


def test_the_forehead_has_the_face_s_tone_and_texture(person, bald):
    head = skull(person).outline((SIZE, SIZE))
    forehead = cv2.erode(np.float32((person.part("hair") > 0.5) & (head > 0.99)), np.ones((9, 9))) > 0
    forehead[SIZE // 2 :] = False
    face = cv2.erode(np.float32(person.part("skin") > 0.99), np.ones((9, 9))) > 0
    assert forehead.sum() > 500
    tone = cv2.cvtColor(bald, cv2.COLOR_RGB2LAB)
    assert np.linalg.norm(tone[forehead].mean(0) - tone[face].mean(0)) < 8
    fine = bald - cv2.GaussianBlur(bald, (0, 0), 1.5)
    assert 0.4 < fine[forehead].std() / fine[face].std() < 1.5


def test_what_is_kept_stays(person):
    keep = np.zeros((SIZE, SIZE), np.float32)
    keep[:100] = 1
    kept = without_hair(person, person.part("hair"), keep=keep)
    assert np.abs(kept - person.image)[:80].max() < 0.02
    assert np.abs(kept - person.image)[:80].mean() < 1e-3


def borrowed(person, donor):
    """The donor's ears on the person's head."""
    return borrowed_ears(person, skull(person), donor, person.part("hair"))


def test_covered_ears_come_from_the_donor_in_the_person_s_tone(person):
    y, x = np.mgrid[:SIZE, :SIZE]
    ear = np.float32(np.hypot((x - 60) / 10, (y - 145) / 18) < 1)
    image = person.image + ear[..., None] * (np.float32([0.6, 0.4, 0.5]) - person.image)
    donor = Photograph(image, person.known, {"ears": ear, "skin": person.parts["skin"]}, person.mesh)
    result = without_hair(person, person.part("hair"), ears=borrowed(person, donor))
    inner = cv2.erode(ear, np.ones((5, 5))) > 0
    cheek = np.median(person.image[person.part("skin") > 0.9], 0)
    assert np.abs(result[inner].mean(0) - cheek).max() < 0.1
    without = without_hair(person, person.part("hair"))
    assert np.abs(result - without)[inner].mean() > 0.02


def _with_ear(person, ear, colour, extra=()):
    image = person.image + ear[..., None] * (np.float32(colour) - person.image)
    return Photograph(image, person.known, {"ears": ear, "skin": person.parts["skin"], **dict(extra)}, person.mesh)


def test_an_overexposed_ear_comes_in_the_range_of_the_person_s_skin(person):
    y, x = np.mgrid[:SIZE, :SIZE]
    ear = np.float32(np.hypot((x - 60) / 10, (y - 145) / 18) < 1)
    bright = 0.75 + 0.2 * np.float32(y < 145)  # half of it is white, the other half light orange
    donor = _with_ear(person, ear, np.dstack([bright, bright, 0.9 * bright]))
    result = without_hair(person, person.part("hair"), ears=borrowed(person, donor))
    inner = cv2.erode(ear, np.ones((5, 5))) > 0
    lab = cv2.cvtColor(np.float32(result), cv2.COLOR_RGB2LAB)[inner]
    skin = cv2.cvtColor(person.image, cv2.COLOR_RGB2LAB)[person.part("skin") > 0.9]
    assert lab[:, 0].max() < np.percentile(skin[:, 0], 95)
    assert np.abs(lab[:, 1:] - np.median(skin[:, 1:], 0)).max() < 15


def test_torn_and_clipped_ears_are_not_taken(person):
    y, x = np.mgrid[:SIZE, :SIZE]
    ear = np.float32(np.hypot((x - 60) / 10, (y - 145) / 18) < 1)
    torn = ear * ((y // 4) % 2)
    short = ear * (y > 150)
    hair = person.part("hair")
    bald = without_hair(person, hair)
    for donor in (
        _with_ear(person, torn, (0.6, 0.4, 0.5)),
        _with_ear(person, short, (0.6, 0.4, 0.5)),
        _with_ear(person, ear, (1, 1, 1)),
    ):
        assert np.array_equal(without_hair(person, hair, ears=borrowed(person, donor)), bald)


def test_structure_goes_on_in_a_striped_wall():
    y, x = np.mgrid[:256, :256]
    stripes = np.repeat((0.5 + 0.3 * np.sign(np.sin(x * 2 * np.pi / 32)))[..., None], 3, 2).astype(np.float32)
    hole = np.zeros((256, 256), np.float32)
    hole[100:150, 90:160] = 1
    filled = continue_into(np.where(hole[..., None] > 0, np.float32(0), stripes), hole, 1 - hole)
    assert np.abs(filled - stripes)[hole > 0].mean() < 0.08


def test_without_a_mesh_the_background_is_filled(person):
    faceless = Photograph(person.image, person.known, person.parts)
    bald = without_hair(faceless, person.part("hair"))
    assert np.isfinite(bald).all() and 0 <= bald.min() and bald.max() <= 1
    corner = (person.part("hair") > 0.9) & (np.arange(SIZE) < 70)[None]
    assert np.abs(bald[corner].mean(0) - WALL).max() < 0.05


@pytest.mark.parametrize("name", ("aligned_16.jpg", "astronaut.png"))
def test_photographs(photos, name):
    from barbershop_core import Studio, open_pack
    from barbershop_core.compositing.matting import hair_alpha
    from barbershop_core.editing.photographs import photograph

    pack = open_pack("studio", device="cpu")
    me = photograph(pack, Studio(pack, cache=False).read(photos / name), size=320)
    if me.mesh is None:
        pytest.skip("MediaPipe is not there")
    alpha = hair_alpha(me)
    bald = without_hair(me, alpha)
    lab = cv2.cvtColor(bald, cv2.COLOR_RGB2LAB)
    head, hair = skull(me).outline((320, 320)), alpha > 0.9
    scalp, face = hair & (head > 0.99), (me.part("skin") > 0.9) & (head > 0.99)
    own = cv2.cvtColor(me.image, cv2.COLOR_RGB2LAB)
    tone, light = np.median(lab[scalp], 0), np.median(own[face], 0)
    assert np.linalg.norm(tone - light) < 15 < np.linalg.norm(np.median(own[hair], 0) - light)
    behind, wall = hair & (cv2.dilate(head, np.ones((15, 15))) < 0.01), me.part("background") > 0.95
    behind[200:] = False
    # as near to the wall's colours as these are to each other: nothing of the hair is left
    nearest = np.linalg.norm(own[wall][::50][:, None] - lab[behind][::50], axis=2).min(0)
    assert np.percentile(nearest, 95) < 10
    assert np.abs(bald - me.image)[(alpha < 0.01) & (me.part("mouth") > 0.9)].max() < 1e-6


def test_the_profile_of_a_turned_face_stays(person):
    """A nose beyond the head's outline has the hair's colour, as dark skin may, and lies beside hair."""
    outline = skull(person).outline((SIZE, SIZE)) > 0.5
    row = 150
    right = np.flatnonzero(outline[row]).max()
    y, x = np.mgrid[:SIZE, :SIZE]
    nose = np.float32(np.hypot(x - right - 4, y - row) < 8)
    hair = person.part("hair") * (1 - nose)
    mesh = person.mesh.copy()
    mesh[1, :2] = right + 14, row
    image = person.image + nose[..., None] * (np.float32(HAIR) - person.image)
    parts = {**person.parts, "hair": hair, "nose": nose, "background": person.parts["background"] * (1 - nose)}
    turned = replace(person, image=image, parts=parts, mesh=mesh)
    tip = cv2.erode(nose, np.ones((7, 7))) * ~outline > 0
    result = without_hair(turned, np.clip(hair, 0, 1))
    assert np.abs(result - image)[tip].mean() < 0.03


def test_loose_strands_are_found_before_a_calm_background_only():
    """A busy background, as of lights out of focus, is not torn by what would look like strands."""
    person = portrait(HAIR)
    alpha, wall = person.part("hair"), person.part("background") > 0.99
    beside = wall & (cv2.dilate(alpha, np.ones((31, 31))) > 0.5) & (cv2.dilate(alpha, np.ones((13, 13))) < 0.1)
    lights = cv2.GaussianBlur(np.random.default_rng(3).normal(size=(SIZE, SIZE)), (0, 0), 2)
    lights = (lights / lights.std() * np.where(cv2.dilate(alpha, np.ones((41, 41))) > 0.5, 0.2, 0.08))[..., None]
    busy = replace(person, image=np.float32(np.clip(person.image + wall[..., None] * lights, 0, 1)))
    strand = np.zeros((SIZE, SIZE), bool)
    strand[:, ::40] = True
    loose = replace(person, image=np.where((strand & beside)[..., None], np.float32(HAIR), person.image))
    holes = [hair_and_traces(photo, alpha, skull(photo)) for photo in (busy, loose)]
    assert holes[0][beside].mean() < 0.1
    assert holes[1][strand & beside].mean() > 0.8


def test_a_neck_is_dark_under_the_chin_and_at_its_sides(person):
    """Hair hides all below the chin, so that nothing is seen of the neck; the background begins beside it."""
    y, x = np.mgrid[:SIZE, :SIZE] - np.float32([0.55 * SIZE, SIZE / 2])[:, None, None]
    small = Field.affine(np.float32([[2, 0, -SIZE / 2], [0, 2, -SIZE / 2]]), (SIZE, SIZE))
    image, mesh = small.sample(person.image), person.mesh * (0.5, 0.5, 0.5) + (SIZE / 4, SIZE / 4, 0)
    parts = {name: small.sample(plane, "linear") for name, plane in person.parts.items()}
    below = np.float32((np.abs(x) < 0.3 * SIZE) & (np.arange(SIZE)[:, None] > mesh[152, 1]))
    image = image + below[..., None] * (np.float32(HAIR) - image)
    parts = {name: np.maximum(plane, below) if name == "hair" else plane * (1 - below) for name, plane in parts.items()}
    photo = Photograph(np.float32(image), person.known, parts, mesh.astype(np.float32))
    layer = torso_under_hair(photo, skull(photo), photo.part("hair"))
    light = cv2.GaussianBlur(layer.colours.mean(2), (0, 0), 2)
    chin, middle = int(mesh[152, 1]), SIZE // 2
    neck = layer.mask[chin + 20] > 0.9
    left, right = np.flatnonzero(neck)[[0, -1]]
    assert left < middle - 12 and right > middle + 12
    assert light[chin + 3, middle] < 0.85 * light[chin + 40, middle]
    assert max(light[chin + 20, left + 1], light[chin + 20, right - 1]) < 0.9 * light[chin + 20, middle]
    skin = image[photo.part("skin") > 0.99].mean()
    assert 0.55 * skin < light[chin + 40, middle] < skin


def test_tips_of_a_fringe_go_though_nostrils_are_as_sharp(person):
    """Fine dark marks below the hair on the forehead are strands; those of the nose are the face's."""
    image, parts = person.image.copy(), dict(person.parts)
    random, middle = np.random.default_rng(4), SIZE // 2
    hairline = int(np.flatnonzero(parts["skin"][:, middle] > 0.99)[0])
    nose = np.float32(np.hypot(*(np.mgrid[:SIZE, :SIZE] - np.float32([165, middle])[:, None, None])) < 14)
    image[160:170, middle - 8 : middle + 8 : 5] *= 0.3
    tips = [(hairline + 8, middle + int(x)) for x in random.integers(-25, 25, 12)]
    for y, x in tips:
        image[y : y + 5, x] *= 0.8
    parts.update(nose=nose, skin=parts["skin"] * (1 - nose))
    photo = replace(person, image=image, parts=parts)
    found = hair_and_traces(photo, photo.part("hair"), skull(photo))
    assert np.mean([found[y + 2, x] > 0.5 for y, x in tips]) > 0.5
    assert found[160:170, middle - 8 : middle + 8].max() < 0.5


def test_a_face_in_light_from_the_side_is_no_hair(person):
    """The cheek turns dark within a few pixels of the hair, as in paintings: that is its shape, and stays."""
    x = np.arange(SIZE) - np.float32(SIZE / 2)
    shade = np.float32(1 - 0.8 / (1 + np.exp((x + 50) / 4)))[None, :, None]
    smooth = np.float32([0.8, 0.62, 0.52]) + np.random.default_rng(0).normal(0, 0.004, person.image.shape)
    skin = person.part("skin")[..., None] > 0.5
    photo = replace(person, image=np.float32(np.where(skin, smooth, person.image) * shade))
    found = hair_and_traces(photo, photo.part("hair"), skull(photo)) > 0.5
    plain = hair_and_traces(person, person.part("hair"), skull(person)) > 0.5
    cheek = (person.part("skin") > 0.99) & ~plain & (x < -20)
    assert found[cheek].mean() < 0.05
