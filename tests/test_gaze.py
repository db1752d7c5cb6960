"""Where the eyes look: drawn eyes, for which the right answer is known, and photographs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from small_face import painted

from barbershop_core import open_pack
from barbershop_core.compositing import gaze
from barbershop_core.compositing.face_points import EYES
from barbershop_core.compositing.gaze import CORNERS, EYEBALL, IRISES
from barbershop_core.compositing.photograph import Photograph
from barbershop_core.editing.photographs import find_face, photograph
from barbershop_core.errors import BadRequest
from barbershop_core.photo.landmarker import LandmarkerUnavailable, open_landmarker
from barbershop_core.pie.photo_rig import photo_rig
from barbershop_core.pie.rig_request import RigRequest

EXAMPLES = Path(__file__).resolve().parents[1] / "assets" / "examples"
SIDE, RADIUS = 320, 9.0


def with_eyes(white: float = 0.9, opening: float = 0.55, blink: float = 0.0) -> Photograph:
    """The painted face with drawn eyes: white almonds with brown irises, in the middle of each."""
    photo = painted(side=SIDE, blendshapes={"eyeBlinkLeft": blink, "eyeBlinkRight": blink})
    mesh = np.concatenate([photo.mesh[:468], np.zeros((10, 3), np.float32)])
    image = photo.image.copy()
    for lids, iris, corners in zip(EYES, IRISES, CORNERS):
        middle = mesh[list(corners), :2].mean(0)
        angles = np.linspace(0, 2 * np.pi, len(lids), endpoint=False)
        mesh[list(lids), :2] = middle + np.stack(
            [2.4 * RADIUS * np.cos(angles), opening * 2.4 * RADIUS * np.sin(angles)], 1
        )
        mesh[list(corners), :2] = middle + [[-2.4 * RADIUS, 0], [2.4 * RADIUS, 0]]
        mesh[iris[0], :2] = middle
        mesh[list(iris[1:]), :2] = middle + RADIUS * np.array([[1, 0], [0, -1], [-1, 0], [0, 1]])
        almond = np.zeros((SIDE, SIDE), np.uint8)
        cv2.fillConvexPoly(almond, cv2.convexHull(np.rint(mesh[list(lids), :2]).astype(np.int32)), 1)
        y, x = np.mgrid[:SIDE, :SIDE]
        disc = np.hypot(x - middle[0], y - middle[1]) <= RADIUS
        image[almond > 0] = white
        image[(almond > 0) & disc] = (0.3, 0.2, 0.1)
    return replace(photo, image=image, mesh=mesh.astype(np.float32))


@pytest.fixture(scope="module")
def drawn():
    return with_eyes()


def iris_middles(image: np.ndarray, photo: Photograph) -> np.ndarray:
    """Centroid of what is dark within each eye, [2,2]."""
    found = []
    for lids in EYES:
        hull = np.zeros(image.shape[:2], np.uint8)
        cv2.fillConvexPoly(hull, cv2.convexHull(np.rint(photo.mesh[list(lids), :2]).astype(np.int32)), 1)
        inside = cv2.erode(hull, np.ones((7, 7))) > 0
        found.append(np.argwhere(inside & (image.mean(2) < 0.45)).mean(0)[::-1])
    return np.array(found)


@pytest.mark.parametrize(("sideways", "up"), [(15, 0), (-15, 0), (0, 10), (0, -10), (12, 6)])
def test_irises_move_as_far_as_an_eyeball_turns(drawn, sideways, up):
    image, changed = gaze.looking(drawn.image, gaze.eyes(drawn), sideways, up)
    moved = iris_middles(image, drawn) - iris_middles(drawn.image, drawn)
    expected = EYEBALL * RADIUS * np.sin(np.radians([sideways, -up]))
    np.testing.assert_allclose(moved, np.stack([expected, expected]), atol=0.2 * RADIUS)


def test_only_the_eyes_change_and_the_white_is_filled(drawn):
    image, changed = gaze.looking(drawn.image, gaze.eyes(drawn), 25, 0)
    near = np.zeros(drawn.image.shape[:2], np.uint8)
    for lids in EYES:
        cv2.fillConvexPoly(near, cv2.convexHull(np.rint(drawn.mesh[list(lids), :2]).astype(np.int32)), 1)
    outside = cv2.dilate(near, np.ones((5, 5))) == 0
    np.testing.assert_array_equal(image[outside], drawn.image[outside])
    assert not changed[outside].any() and changed.max() == 1
    for lids in EYES:  # where the irises' left edges were
        x, y = np.rint(drawn.mesh[list(lids), :2].mean(0) - [0.75 * RADIUS, 0]).astype(int)
        assert image[y, x].mean() > 0.7


def test_zero_gives_the_picture_back(drawn):
    image, changed = gaze.looking(drawn.image, gaze.eyes(drawn), 0, 0)
    np.testing.assert_array_equal(image, drawn.image)
    assert not changed.any()


@pytest.mark.parametrize(
    ("photo", "words"),
    [
        (with_eyes(blink=0.9), "closed"),
        (with_eyes(opening=0.08), "closed"),
        (with_eyes(white=0.22), "dark glasses"),
        (painted(), "No eyes|dark glasses|closed"),
    ],
)
def test_eyes_that_cannot_look_elsewhere(photo, words):
    with pytest.raises(BadRequest, match=words):
        gaze.eyes(photo)


@pytest.mark.parametrize(
    ("asked", "words"),
    [({"sideways": 31}, "-30 to 30"), ({"up": 25}, "-20 to 20"), ({"left": 3}, "left"), (12, "gaze")],
)
def test_bad_requests(asked, words):
    with pytest.raises(BadRequest, match=words):
        RigRequest.of(gaze=asked)


def test_the_rig_of_a_photograph_moves_eyes_alone_and_with_the_head(drawn):
    rig = photo_rig(drawn)
    alone, changed = rig.moved(RigRequest.of(gaze={"sideways": 20}))
    expected, where = gaze.looking(drawn.image, gaze.eyes(drawn), 20, 0)
    np.testing.assert_allclose(alone, expected, atol=1e-6)
    np.testing.assert_array_equal(changed, where)
    turned, both = (rig.move(RigRequest.of(yaw=8.0, gaze=asked)) for asked in (None, {"sideways": 20}))
    assert np.abs(both - turned).max() > 0.2  # the eyes turn beside the head
    assert (np.abs(both - turned).max(2) > 0.02).mean() < 0.05


@pytest.fixture(scope="module")
def landmarker():
    pack = open_pack("studio", device="cpu")
    try:
        return pack, open_landmarker(pack.landmarker)
    except LandmarkerUnavailable as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("name", ["photos/astronaut.jpg", "photos/lady-agnew.jpg", "1-face.png"])
def test_mediapipe_sees_the_eyes_look_where_they_were_turned(landmarker, name):
    """An independent judge: blendshapes of eyes that look to a side, in photographs, paintings, renders."""
    from barbershop_core import Studio

    pack, _ = landmarker
    portrait = Studio(pack, cache=False).read(EXAMPLES / name)
    photo = photograph(pack, portrait)

    def rightwards(sideways: float) -> float:
        image, _ = gaze.looking(photo.image, gaze.eyes(photo), sideways, 0)
        seen = find_face(pack, np.rint(image * 255).astype(np.uint8))[2]
        return seen["eyeLookOutLeft"] + seen["eyeLookInRight"] - seen["eyeLookInLeft"] - seen["eyeLookOutRight"]

    left, still, right = (rightwards(x) for x in (-25.0, 0.0, 25.0))
    assert left < still < right and right - left > 0.4
