"""A head as a sheet of triangles, and its motion."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_face import SIDE, painted

from barbershop_core.compositing.face_motion import face_motion
from barbershop_core.compositing.head import angles, backward, head, rotation
from barbershop_core.compositing.layers import draw, layers
from barbershop_core.compositing.similarity import similarity

ANGLE = st.floats(-40, 40)


@pytest.fixture(scope="module")
def photo():
    return painted()


@pytest.fixture(scope="module")
def sheet(photo):
    return head(photo)


@given(ANGLE, ANGLE, ANGLE)
def test_angles_undo_rotation(yaw, pitch, roll):
    matrix = rotation((yaw, pitch, roll))
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(angles(matrix), (yaw, pitch, roll), atol=1e-9)


def test_directions():
    """Right, up and clockwise are positive, as on the sliders."""
    nose = np.array([0.0, 0.0, -1.0])  # y down, z away
    assert (rotation((20, 0, 0)) @ nose)[0] > 0.3
    assert (rotation((0, 20, 0)) @ nose)[1] < -0.3
    assert (rotation((0, 0, 20)) @ [1.0, 0, 0])[1] > 0.3


@given(st.floats(0.2, 5), ANGLE, ANGLE, st.floats(-9, 9))
def test_similarity_is_found(scale, yaw, roll, shift):
    points = np.random.default_rng(0).normal(size=(9, 3))
    found = similarity(points, scale * points @ rotation((yaw, 0, roll)).T + shift)
    assert found.scale == pytest.approx(scale)
    np.testing.assert_allclose(angles(found.rotation), (yaw, 0, roll), atol=1e-6)
    np.testing.assert_allclose(found.shift, shift, atol=1e-6)


@settings(max_examples=10, deadline=None)
@given(ANGLE, st.floats(-20, 20), st.floats(-20, 20))
def test_a_head_knows_its_turn(yaw, pitch, roll):
    np.testing.assert_allclose(head(painted((yaw, pitch, roll))).angles, (yaw, pitch, roll), atol=0.5)


def test_no_move_is_no_change(photo, sheet):
    np.testing.assert_array_equal(sheet.moved(), sheet.points)
    made = layers(photo)
    picture, changed = draw(made, sheet.points, sheet.points)
    np.testing.assert_allclose(picture, photo.image, atol=1e-3)
    assert changed.max() < 0.01


@pytest.mark.parametrize("turn", [(15, 0, 0), (0, 10, 0), (0, 0, 12), (-10, 5, 3)])
def test_a_turned_head(sheet, turn):
    """The face's points turn rigidly about the pivot, the border of the picture stays."""
    target = sheet.moved(turn)
    steep = np.abs(sheet.points[:468, 2] - painted().mesh[:468, 2]) < 1e-3
    found = similarity(sheet.points[:468][steep], target[:468][steep])
    np.testing.assert_allclose(angles(found.rotation), turn, atol=0.3)
    np.testing.assert_allclose(found(sheet.pivot[None])[0], sheet.pivot, atol=0.5)
    border = (sheet.points[:, :2] <= 0).any(1) | (sheet.points[:, :2] >= SIDE - 1).any(1)
    np.testing.assert_array_equal(target[border], sheet.points[border])


def test_the_field_leads_back(sheet):
    """At a point's new place, the field gives its old one, where the point is seen."""
    target = sheet.moved((10, 4, 0))
    field = backward(sheet, target, SIDE).face
    for point in (1, 9, 50, 152, 280):  # nose, brow, cheeks, chin
        x, y = np.round(target[point, :2]).astype(int)
        expected = sheet.points[point, :2] + ([x, y] - target[point, :2])
        np.testing.assert_allclose(field[y, x], expected, atol=1.0)


def test_the_nearer_side_hides_the_farther(sheet):
    """Turned far, a face covers what is beside it: the fields of both differ there and nowhere else."""
    still = backward(sheet, sheet.points, SIDE)
    np.testing.assert_allclose(still.face[60:90, 60:100], still.around[60:90, 60:100], atol=1e-3)
    fields = backward(sheet, sheet.moved((25, 0, 0)), SIDE)
    assert np.abs(fields.face - fields.around).max() > 2


def test_lids_meet_and_the_jaw_falls(sheet):
    model = face_motion()
    closed = sheet.face + model.move({"eyeBlinkLeft": 1.0}, sheet.face)
    ring = model.rings["left_eye"]
    before, after = (np.linalg.norm((face[ring[4]] - face[ring[12]])[:2]) for face in (sheet.face, closed))
    assert after < 0.1 * before
    other = model.rings["right_eye"]
    np.testing.assert_array_equal(closed[other], sheet.face[other])
    fallen = model.move({"jawOpen": 1.0}, sheet.face)
    assert fallen[152, 1] > 0.15 and abs(fallen[10, 1]) < 0.02


def test_the_motion_model_is_symmetrical():
    model = face_motion()
    left, right = model.motion["mouthSmileLeft"], model.motion["mouthSmileRight"]
    np.testing.assert_allclose(left[[61, 291]] * [-1, 1, 1], right[[291, 61]], atol=2e-3)


def test_an_opened_mouth_is_dark_and_the_rest_stays(photo):
    made = layers(photo)
    model = face_motion()
    target = made.head.moved(expression=model.move({"jawOpen": 0.8}, made.head.face))
    picture, changed = draw(made, target, made.head.points)
    lips = target[[13, 14], :2].mean(0).round().astype(int)
    assert picture[lips[1], lips[0]].mean() < 0.6 * photo.image[lips[1], lips[0]].mean()
    forehead = made.head.points[9, :2].round().astype(int)
    np.testing.assert_allclose(picture[: forehead[1]], photo.image[: forehead[1]], atol=1e-3)
    assert changed[: forehead[1]].max() < 0.05 < changed[lips[1], lips[0]]
