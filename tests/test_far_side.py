"""Hair seen from the front on a head that is turned: on the far side it lies close to the face."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from small_face import painted

from barbershop_core.barbershop.far_side import drawn_close
from barbershop_core.compositing.mirror import mirrored, yaw
from barbershop_core.compositing.motion import head_field
from barbershop_core.compositing.planes import enclosed

SIZE = 256


@pytest.fixture(scope="module")
def front():
    return painted(side=SIZE)


@pytest.fixture(scope="module")
def turned():
    """To the picture's left, where its far side is."""
    person = painted((-28.0, 0, 0), side=SIZE)
    assert yaw(person) == pytest.approx(28, abs=1)
    return person


def left_edge(mask: np.ndarray, person) -> np.ndarray:
    """First column of a mask in the rows between the eyes and the tip of the nose."""
    rows = slice(*np.int32(person.mesh[[168, 1], 1]))
    return mask[rows].argmax(1).astype(float)


def face(photograph) -> np.ndarray:
    """bool [S,S]: all that the mesh covers, whatever way it is turned."""
    return enclosed(cv2.convexHull(np.float32(photograph.mesh[:468, :2]).copy()), (SIZE, SIZE)) > 0.5


def test_the_far_outline_of_the_reference_lies_on_the_persons(front, turned):
    field, own = head_field(turned, front), left_edge(face(turned), turned)
    before, after = (
        own - left_edge(x.sample(np.float32(face(front)), "linear", "zero") > 0.5, turned)
        for x in (field, drawn_close(field, turned, front))
    )
    assert before.mean() > 0.1 * turned.eye_distance
    assert np.abs(after).mean() < 0.4 * before.mean()


def test_left_and_right_alike(front, turned):
    field = drawn_close(head_field(turned, front), turned, front)
    other, reference = mirrored(turned), mirrored(front)
    again = drawn_close(head_field(other, reference), other, reference)
    np.testing.assert_allclose(again.at[:, ::-1] * [-1, 1] + [SIZE - 1, 0], field.at, atol=1.5)


def test_nothing_moves_elsewhere(front, turned):
    field = head_field(turned, front)
    moved = np.abs(drawn_close(field, turned, front).at - field.at).max(2)
    assert moved[:, : SIZE // 3].max() > 3 and moved[:, 4 * SIZE // 5 :].max() < 0.05
    for person, reference in ((front, front), (turned, turned), (front, turned)):  # alike, or the reference further
        same = head_field(person, reference)
        assert drawn_close(same, person, reference) is same
