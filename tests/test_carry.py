"""Hair of one photograph on the head of another: drawn heads, for which the right answer is known."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from drawn_head import SIZE, head, moved_portrait, portrait

from barbershop_core.barbershop import photo_transfer
from barbershop_core.barbershop.carry import carry_feature, carry_hair
from barbershop_core.barbershop.hair_layer import hair_onto, off_the_eyes
from barbershop_core.barbershop.structure import Assignment
from barbershop_core.compositing.face_points import BROWS, EYES
from barbershop_core.compositing.frame import beyond, drawn_in, reflected
from barbershop_core.compositing.mirror import mirrored, yaw
from barbershop_core.compositing.motion import Field
from barbershop_core.compositing.same_head import same_head
from barbershop_core.editing.photographs import labels
from barbershop_core.editing.regions import region_index
from barbershop_core.photo.crop import inside

BROWN, BLOND = (0.32, 0.2, 0.12), (0.75, 0.6, 0.35)


@pytest.fixture(scope="module")
def person():
    return portrait(BROWN)


@pytest.fixture(scope="module")
def other():
    return portrait(BLOND, seed=5, long=1.5)


@pytest.fixture(scope="module")
def again(person):
    return moved_portrait(person, 1.1, 9, (6, 20), gain=0.85)


def lab(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(image, cv2.COLOR_RGB2LAB)[mask].mean(0)


def fine(image: np.ndarray) -> np.ndarray:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return grey - cv2.GaussianBlur(grey, (0, 0), 2)


def face(photograph, width: int = 9) -> np.ndarray:
    return cv2.erode(np.uint8(photograph.part("skin") > 0.99), np.ones((width, width))) > 0


def test_the_same_head_is_found_to_a_fraction_of_a_pixel(person, again, other):
    same = same_head(person, again)
    assert same.evidence == 1
    turn = np.radians(9)
    wanted = 1.1 * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    wanted = Field.affine(np.concatenate([wanted, [[6], [20]]], 1), (SIZE, SIZE))
    found = Field.affine(same.matrix, (SIZE, SIZE))
    assert np.abs(found.at - wanted.at).max() < 0.3
    np.testing.assert_allclose(same.gain, 1 / 0.85, rtol=0.03)
    assert same_head(person, other).evidence == 0


def test_own_hair_comes_back(person, again):
    result = carry_hair(person, again, again)
    hair = person.part("hair") > 0.5
    assert -10 * np.log10(((result.image - person.image)[hair] ** 2).mean()) > 28
    mine, found = fine(person.image)[hair], fine(result.image)[hair]
    assert np.corrcoef(mine, found)[0, 1] > 0.8
    assert 0.8 < found.std() / mine.std() < 1.2


def test_hair_of_another_head(person, other):
    result = carry_hair(person, other, other)
    hair = result.parts["hair"] > 0.95
    assert np.linalg.norm(lab(result.image, hair) - lab(other.image, other.part("hair") > 0.95)) < 6
    assert 0.8 < fine(result.image)[hair].std() / fine(other.image)[other.part("hair") > 0.95].std() < 1.25
    # hair shades the skin beside it, which is made good
    kept = face(person, 39) & (result.parts["hair"] < 0.01) & (person.part("hair") < 0.01)
    assert np.abs(result.image - person.image)[kept].max() < 1e-3
    assert result.changed[kept].max() == 0
    hair = labels(result.parts, 64) == region_index("hair")
    assert hair.mean() == pytest.approx((other.part("hair") > 0.5).mean(), abs=0.05)


def test_shape_of_one_and_colour_of_another(person, other):
    red = portrait((0.6, 0.15, 0.1), seed=9)
    result = carry_hair(person, other, red)
    hair = result.parts["hair"] > 0.95
    assert np.linalg.norm(lab(result.image, hair) - lab(red.image, red.part("hair") > 0.95)) < 6


def test_colour_only_keeps_strands_and_everything_else(person, other):
    result = carry_hair(person, None, other)
    hair = person.part("hair") > 0.99
    assert np.linalg.norm(lab(result.image, hair) - lab(other.image, other.part("hair") > 0.99)) < 6
    assert np.corrcoef(fine(result.image)[hair], fine(person.image)[hair])[0, 1] > 0.75
    assert result.changed[face(person, 25)].max() == 0
    assert result.field is None


@pytest.mark.parametrize("own, theirs", [((0.1, 0.08, 0.07), (0.8, 0.7, 0.5)), ((0.8, 0.7, 0.5), (0.1, 0.08, 0.07))])
def test_dyed_hair_keeps_dark_roots_only(own, theirs):
    person, colour = portrait(own), portrait(theirs, seed=5)
    made = carry_hair(person, None, colour).image.mean(2)
    hair = person.part("hair") > 0.99
    away = cv2.distanceTransform(np.uint8(person.part("skin") < 0.5), cv2.DIST_L2, 5)
    roots, lengths = (made[hair & at].mean() for at in (away < 4, away > 25))
    assert roots < 0.93 * lengths if own < theirs else roots == pytest.approx(lengths, rel=0.1)


def test_no_reference_changes_nothing(person):
    result = carry_hair(person, None, None)
    assert result.image is person.image
    assert result.changed.max() == 0


def test_a_photograph_as_its_own_reference(person):
    result = carry_hair(person, person, None)
    assert np.abs(result.image - person.image)[person.part("hair") > 0.5].mean() < 0.01


def test_references_without_hair(person, other):
    bald = replace(other, parts={name: plane for name, plane in other.parts.items() if name != "hair"})
    assert carry_hair(person, bald, None).parts["hair"].mean() < 0.02
    assert carry_hair(person, None, bald).changed.max() == 0


def test_plain_pictures(person, other):
    plain = replace(person, image=np.full_like(person.image, 0.5))
    for result in (carry_hair(plain, other, other), carry_hair(person, plain, None)):
        assert result.image.dtype == np.float32
        assert np.isfinite(result.image).all()


@pytest.mark.parametrize("edge", ("top", "left", "bottom"))
def test_a_frame_that_cuts_hair_leaves_no_streaks(person, other, edge):
    shift = {"top": (0, -45), "left": (-60, 0), "bottom": (0, 70)}[edge]
    cut = moved_portrait(other, 1.0, 0, shift)
    streaks = cut.image.copy()
    cut.image[...] = cv2.inpaint(np.uint8(streaks * 255), np.uint8(cut.known < 0.5), 3, cv2.INPAINT_NS) / 255
    result = carry_hair(person, cut, cut)
    hair = result.parts["hair"] > 0.9
    beyond_frame = hair & (result.field.sample(cut.known, "linear", "zero") < 0.5)
    if beyond_frame.sum() > 200:
        along = 0 if edge != "left" else 1
        change = np.abs(np.diff(result.image.mean(2), axis=along, append=0))[beyond_frame].mean()
        usual = np.abs(np.diff(other.image.mean(2), axis=along, append=0))[other.part("hair") > 0.9].mean()
        assert change > 0.3 * usual, "the border is repeated"


def test_places_beyond_the_photo_are_drawn_in():
    known = np.zeros((100, 100), np.float32)
    known[:, 20:] = 1
    field = Field.affine(np.eye(2, 3), (100, 100))
    everywhere = np.ones_like(known)
    bent = drawn_in(field, known, everywhere, 30)
    assert inside(bent.at + 0.5, known.shape).all()
    assert bent.at[:, 0, 0].min() >= 19
    assert np.diff(bent.at[..., 0], axis=1).min() > 0
    np.testing.assert_allclose(bent.at[:, 75:], field.at[:, 75:], atol=1e-4)
    nowhere = drawn_in(field, known, 0 * known, 30)
    np.testing.assert_array_equal(nowhere.at, field.at)


def test_reflection_beyond_the_photo():
    known = np.ones((50, 60), np.float32)
    known[:, :10] = 0
    ramp = np.tile(np.arange(60, dtype=np.float32), (50, 1))
    (filled,) = reflected(known, ramp)
    np.testing.assert_allclose(filled[25, :10], 20 - np.arange(10))
    np.testing.assert_array_equal(filled[:, 10:], ramp[:, 10:])
    np.testing.assert_allclose(beyond(known)[25, :10], 10 - np.arange(10), atol=0.1)


@pytest.mark.parametrize("names", (("aligned_ref_058728.jpg", "aligned_15.jpg"), ("aligned_15.jpg", "astronaut.png")))
def test_photographs(photos, names):
    from barbershop_core import Studio, open_pack
    from barbershop_core.editing.photographs import find_face, photograph

    pack = open_pack("studio", device="cpu")
    studio = Studio(pack, cache=False)
    me, them = (photograph(pack, studio.read(photos / name), size=320, margin=m) for name, m in zip(names, (0, 0.3)))
    if me.mesh is None:
        pytest.skip("MediaPipe is not there")
    result = carry_hair(me, them, them)
    hair = cv2.resize(result.parts["hair"], (320, 320)) > 0.9
    theirs = them.part("hair") * them.known > 0.9
    assert np.linalg.norm(lab(result.image, hair) - lab(them.image, theirs)) < 6
    assert 0.8 < fine(result.image)[hair].std() / fine(them.image)[theirs].std() < 1.3
    points, _, _ = find_face(pack, np.uint8(result.image * 255 + 0.5))
    moved = np.linalg.norm((points - me.mesh)[:468, :2], axis=1).mean()
    assert moved < 0.03 * me.eye_distance


def test_a_mirror_exchanges_sides(person):
    there = mirrored(person)
    assert np.array_equal(mirrored(there).image, person.image)
    turn = np.radians(15)
    matrix = np.array([[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]])
    turned = head() @ matrix.T
    photograph = type(person)(person.image, person.known, person.parts, np.float32(turned))
    assert yaw(mirrored(photograph)) == pytest.approx(-yaw(photograph), abs=0.5)
    assert yaw(photograph) == pytest.approx(-yaw(photograph) + 30, abs=1) or yaw(photograph) == pytest.approx(
        -15, abs=1
    )


def test_features_follow_the_pixels(person):
    shift = Field.affine(np.array([[1, 0, 32], [0, 1, 0.0]]), (SIZE, SIZE))
    feature = torch.arange(32.0).expand(1, 3, 32, 32)
    carried = carry_feature(feature, shift, SIZE, SIZE)
    torch.testing.assert_close(carried[..., :28], feature[..., 4:], atol=1e-3, rtol=0)
    wide = carry_feature(feature, Field(shift.at + 80), SIZE + 160, SIZE, margin=80)
    torch.testing.assert_close(wide, carried, atol=1e-3, rtol=0)
    with pytest.raises(ValueError, match="64 px"):
        carry_feature(feature, shift, SIZE, 64)


def test_skin_that_the_parser_takes_for_a_fringe_is_not_carried(person, other):
    forehead = np.zeros((SIZE, SIZE), np.float32)
    forehead[100:125, 110:146] = 1
    parts = {"hair": np.maximum(other.parts["hair"], forehead), "skin": other.parts["skin"] * (1 - forehead)}
    fooled = replace(other, parts={**other.parts, **parts})
    alpha = hair_onto(person, fooled).alpha
    assert alpha[105:120, 115:141].mean() < 0.2
    assert alpha[other.part("hair") > 0.95].mean() > 0.9


def test_hair_lies_over_the_eyes_as_in_the_reference(person):
    """The reference's eyes are free; the person's lie higher, where the reference has a fringe."""
    mesh, higher = person.mesh.copy(), person.mesh.copy()
    for middle, eye, brow in zip((98, 158), EYES, BROWS):
        for points, y in ((eye, 130), (brow, 118)):
            around = np.linspace(0, 2 * np.pi, len(points), endpoint=False)
            mesh[list(points), 0], mesh[list(points), 1] = middle + 12 * np.cos(around), y + 4 * np.sin(around)
    higher[:, :2] = mesh[:, :2] - [0, 25]
    theirs = np.float32(np.arange(SIZE) < 112)[:, None] * np.ones((1, SIZE), np.float32)
    alpha = off_the_eyes(theirs, replace(person, mesh=higher), replace(person, mesh=mesh), theirs)
    eye = np.s_[103:108, 92:104]
    assert theirs[eye].min() == 1 and alpha[eye].max() < 0.1
    np.testing.assert_allclose(alpha[:60], theirs[:60], atol=1e-3)


def test_the_outline_of_one_photo_with_the_strands_of_another(person):
    """Shape, structure and colour from three photos: here structure and colour from the same one."""
    red = (0.55, 0.2, 0.1)
    short, strands = portrait(BROWN, seed=3, long=0.7), portrait(red, seed=7, long=1.5)
    photographs = {0: person, 1: short, 2: strands}
    assignment = Assignment({"hair": 2}, {"hair": 2}, {"hair": 1})
    made = photo_transfer._hair(person, photo_transfer.Opened({}, photographs, assignment))
    outline = carry_hair(person, short, None).parts["hair"] > 0.5
    hair = made.parts["hair"] > 0.5
    assert (hair & outline).sum() / (hair | outline).sum() > 0.9
    assert (carry_hair(person, strands, None).parts["hair"] > 0.5).sum() > 1.2 * outline.sum()
    inside = cv2.erode(np.uint8(hair), np.ones((9, 9))) > 0
    wanted = lab(strands.image, strands.part("hair") > 0.9)
    assert np.abs(lab(made.image, inside) - wanted)[1:].max() < 6
    own = photo_transfer.Opened({}, photographs, Assignment({"hair": 2}, shape={"hair": 0}))
    kept = photo_transfer._hair(person, own)
    mine = person.part("hair") > 0.5
    assert ((kept.parts["hair"] > 0.5) & mine).sum() / ((kept.parts["hair"] > 0.5) | mine).sum() > 0.9
    assert np.abs(kept.image - person.image)[mine].mean() > 0.02


def test_only_rendered_hair_on_a_photograph_gets_strands(person, other):
    """Photos by number, as the pack's code explains them or does not."""
    side = other.size
    plain = np.where(other.part("hair")[..., None] > 0.5, np.float32(BLOND), other.image)
    smooth = replace(other, image=cv2.GaussianBlur(plain, (0, 0), side / 100))
    hair = Assignment({"hair": 1}, {"hair": 1})

    def made(rendered):
        opened = photo_transfer.Opened({}, {0: person, 1: smooth}, hair, rendered=frozenset(rendered))
        return photo_transfer._hair(person, opened)

    photo, drawn = made([]), made([1])
    inside = cv2.erode(np.uint8(photo.parts["hair"] > 0.9), np.ones((9, 9))) > 0
    assert fine(drawn.image)[inside].std() > 2 * fine(photo.image)[inside].std()
    assert np.abs(lab(drawn.image, inside) - lab(photo.image, inside)).max() < 3
    assert np.array_equal(made([0, 1]).image, photo.image)
