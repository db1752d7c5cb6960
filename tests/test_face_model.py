"""The studio's face model against the world that it approximates."""

import numpy as np
import pytest
import torch

from barbershop_core import networks
from barbershop_core.networks.regressor import Reading
from barbershop_core.weights.manifest import PACKS
from barbershop_core.world import meshes, params
from barbershop_core.world import morphable_head as face_model
from barbershop_core.world.params import INDEX, Portrait
from barbershop_core.world.render import render
from barbershop_core.world.shading import LABEL

FACE = [LABEL[n] for n in ("skin", "nose", "l_brow", "r_brow", "l_eye", "r_eye", "u_lip", "l_lip", "mouth")]


@pytest.fixture(scope="module")
def model():
    return networks.load("face_model", PACKS / "studio" / "face_model.safetensors")


@pytest.fixture(scope="module")
def people():
    p = params.sample(6, 812_345)
    return p, [render(row, 128) for row in p]


def test_shape_is_the_worlds(model):
    p = params.sample(3, 5)
    theta = face_model.theta_of(model, torch.from_numpy(p))
    kept, faces = face_model.face_part()
    for shape, row in zip(model.shape(theta), p):
        world = meshes.head(Portrait(row.astype(np.float64))).vertices[kept] - face_model.ORIGIN
        assert np.abs(shape.numpy() - world).max() < 2e-3  # stored in half precision
    assert torch.equal(model.faces, torch.from_numpy(faces))


def test_landmarks_and_picture(model, people):
    """Half a pixel at 128 px on average, and the world's face within a few grey levels."""
    p, renders = people
    theta = face_model.theta_of(model, torch.from_numpy(p))
    marks = torch.from_numpy(np.stack([r.landmarks for r in renders]))
    away = (model.landmarks(theta, 128) - marks).norm(dim=-1)
    assert away.mean() < 0.8 and away.mean(0).max() < 2.5
    drawn = model.render(theta, 128)
    for k, r in enumerate(renders):
        face = torch.from_numpy(np.isin(r.labels, FACE)) & (drawn.mask[k, 0] > 0)
        covered = float(face.sum()) / np.isin(r.labels, FACE).sum()
        world = torch.from_numpy(r.image.copy()).permute(2, 0, 1) / 255
        error = (drawn.image[k] - world)[:, face].square().mean().sqrt()
        assert covered > 0.9 and error < 0.11, (k, covered, float(error))


def test_theta_is_the_renderers(model, people):
    p, renders = people
    theta = face_model.theta_of(model, torch.from_numpy(p))
    for k, r in enumerate(renders):
        light = r.theta[-27:].reshape(9, 3).T.reshape(-1)
        np.testing.assert_allclose(theta.light[k], light, atol=1e-5)
        yaw, pitch, roll = theta.angles()[k].tolist()
        assert abs(yaw - np.degrees(r.theta[0])) < 1e-3 and abs(pitch - np.degrees(r.theta[1])) < 1e-3
        assert abs(roll - np.degrees(r.theta[2])) < 3  # the alignment levels the eyes of a turned head
    assert theta.sizes == model.sizes and model.expression_names == params.GROUPS["expression"]


def test_reading_gives_theta(model, people):
    """A perfect reading gives the portrait's own theta, translation from the landmarks seen."""
    p, renders = people
    reading = Reading(
        face_model.uniform(torch.from_numpy(p)),
        torch.from_numpy(np.stack([r.theta for r in renders])),
        torch.from_numpy(np.stack([r.landmarks for r in renders])) / 128,
    )
    found = face_model.theta_of_reading(model, reading)
    truth = face_model.theta_of(model, torch.from_numpy(p))
    torch.testing.assert_close(found.rotation, truth.rotation)
    torch.testing.assert_close(found.light, truth.light, atol=1e-5, rtol=0)
    away = (model.shares(found) - reading.landmarks).norm(dim=-1).mean() * 128
    assert away < 0.8


def test_a_small_build_agrees(model):
    """A model built from fewer portraits is about the same."""
    again = face_model.build(60)
    assert torch.equal(again.faces, model.faces)
    torch.testing.assert_close(again.mean, model.mean, atol=1e-3, rtol=0)
    assert (again.albedo - model.albedo).abs().mean() < 0.03
    theta = face_model.theta_of(model, torch.from_numpy(params.sample(4, 9)))
    assert (again.landmarks(theta, 128) - model.landmarks(theta, 128)).norm(dim=-1).mean() < 0.6


def test_yaw_turns_to_the_right(model):
    p = np.zeros((2, params.COUNT), np.float32)
    p[1, INDEX["yaw"]] = 1.0
    theta = face_model.theta_of(model, torch.from_numpy(p))
    nose = model.landmarks(theta, 128)[:, 30, 0]
    assert nose[1] > nose[0] + 4 and theta.angles()[1, 0] > 10
