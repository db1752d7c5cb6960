"""Fields against closed forms: similarities, turned spheres, grids of PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from drawn_head import SIZE, head, moved
from hypothesis import given, settings
from hypothesis import strategies as st

from barbershop_core.compositing.face_points import NOSE_BASE
from barbershop_core.compositing.motion import Field, face_field, head_field
from barbershop_core.compositing.photograph import Photograph
from barbershop_core.compositing.similarity import similarity
from barbershop_core.photo.crop import inside


def photograph(mesh: np.ndarray, size: int = SIZE) -> Photograph:
    y, x = np.mgrid[:size, :size] / size
    image = np.stack([x, y, 0.5 + 0.5 * np.sin(20 * x) * np.sin(20 * y)], -1).astype(np.float32)
    return Photograph(image, np.ones((size, size), np.float32), {}, mesh)


similarities = st.tuples(st.floats(0.5, 2), st.floats(-40, 40), st.tuples(st.floats(-50, 50), st.floats(-50, 50)))


@given(similarities)
@settings(max_examples=20, deadline=None)
def test_similarity_is_found(given):
    mesh, matrix = moved(head(), *given)
    np.testing.assert_allclose(similarity(head()[:, :2], mesh[:, :2]).matrix, matrix, atol=2e-3)


def test_similarity_follows_the_weights():
    points = np.array([[0, 0], [1, 0], [0, 1], [5, 5.0]])
    wrong = np.array([[0, 0], [2, 0], [0, 2], [-9, 7.0]])
    found = similarity(points, wrong, weights=[1, 1, 1, 0]).matrix
    np.testing.assert_allclose(found, [[2, 0, 0], [0, 2, 0]], atol=1e-9)


def test_similarity_of_one_place_is_refused():
    with pytest.raises(ValueError, match="differ"):
        similarity(np.ones((3, 2)), np.ones((3, 2)))


@given(similarities)
@settings(max_examples=10, deadline=None)
def test_head_moved_by_a_similarity_is_carried_by_it(given):
    mesh, matrix = moved(head(), *given)
    found = head_field(photograph(head()), photograph(mesh))
    wanted = Field.affine(matrix, (SIZE, SIZE))
    assert np.abs(found.at - wanted.at).max() < 0.1


def test_noise_of_the_points_deforms_nothing():
    mesh, matrix = moved(head(), 1.2, 8, (5, -9))
    mesh[:, :2] += np.random.default_rng(0).normal(scale=0.7, size=(478, 2))
    found = head_field(photograph(head()), photograph(mesh))
    off = np.linalg.norm(found.at - Field.affine(matrix, (SIZE, SIZE)).at, axis=-1)
    assert off.mean() < 0.5
    assert off.max() < 1.5


@pytest.mark.parametrize("degrees", (-20, 12, 20))
def test_turned_head(degrees):
    a = np.radians(degrees)
    turn = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    middle = head()[:468].mean(0)
    turned = photograph(((head() - middle) @ turn.T + middle).astype(np.float32))
    person = photograph(head())
    face = np.r_[33, 263, NOSE_BASE, 1, 10]
    found = head_field(person, turned)
    at = person.mesh[face, :2].round().astype(int)
    off = np.linalg.norm(found.at[at[:, 1], at[:, 0]] - turned.mesh[face, :2], axis=1)
    flat = similarity(person.mesh[:468, :2], turned.mesh[:468, :2]).matrix
    without = np.linalg.norm(at @ flat[:, :2].T + flat[:, 2] - turned.mesh[face, :2], axis=1)
    assert off.mean() < 0.5 * without.mean()
    across = np.diff(found.at[..., 0], axis=1)
    assert across.min() > 0, "the field folds"


def test_face_is_carried_point_to_point():
    random = np.random.default_rng(2)
    person = head()
    other, _ = moved(person, 1.1, 5, (3, 4))
    x, y = (person[:, :2].T - SIZE / 2) / SIZE * 6
    other[:, 0] += 4 * np.sin(y)
    other[:, 1] += 3 * np.cos(x)
    found = face_field(photograph(person), photograph(other)).at
    inner = random.choice(468, 60, replace=False)
    at = person[inner, :2].round().astype(int)
    off = np.linalg.norm(found[at[:, 1], at[:, 0]] - other[inner, :2], axis=1)
    assert np.median(off) < 1.2
    matrix = similarity(person[:, :2], other[:, :2]).matrix
    np.testing.assert_allclose(found[0, 0], matrix[:, 2], atol=1e-3)
    none = face_field(photograph(person), photograph(other), strength=0).at
    np.testing.assert_allclose(none, Field.affine(matrix, (SIZE, SIZE)).at, atol=1e-3)


def test_identity_samples_the_same_picture():
    image = photograph(head()).image
    field = Field.affine(np.eye(2, 3), (SIZE, SIZE))
    np.testing.assert_allclose(field.sample(image), image, atol=1e-5)
    assert inside(field.at + 0.5, image.shape).all()
    assert not inside(field.at + 0.5 + SIZE, image.shape).any()


def test_grid_is_what_pytorch_samples():
    image = photograph(head()).image
    field = Field.affine(np.array([[0.9, 0.1, 3], [-0.1, 0.9, 12.0]]), (100, 120))
    sampled = torch.nn.functional.grid_sample(
        torch.from_numpy(image).permute(2, 0, 1)[None], field.grid(SIZE), align_corners=False, padding_mode="border"
    )
    np.testing.assert_allclose(sampled[0].permute(1, 2, 0).numpy(), field.sample(image, "linear"), atol=0.01)


def test_resized_field_points_to_the_same_places():
    small = Field.affine(np.array([[1.1, 0, 4], [0, 1.1, -2.0]]), (64, 64))
    large = small.resized((128, 128), source=2)
    edge = (large.at[1::2, 1::2] + large.at[::2, ::2]) / 2  # pixel pairs around the middle of a small pixel
    np.testing.assert_allclose((edge + 0.5) / 2 - 0.5, small.at, atol=1e-3)
    assert large.scale() == pytest.approx(1.1, rel=1e-3)


def test_reduced_pictures_do_not_alias():
    stripes = np.tile(np.array([0, 1], np.float32), (400, 200))
    small = Field.affine(np.array([[4.0, 0, 1.6], [0, 4.0, 1.6]]), (100, 100)).sample(stripes)
    assert np.abs(small[5:-5, 5:-5] - 0.5).max() < 0.05
