"""Light by a lamp's direction, strength and warmth; expressions by name."""

import numpy as np
import pytest
import torch

from barbershop_core import networks
from barbershop_core.errors import BadRequest
from barbershop_core.face3d import harmonics
from barbershop_core.pie import expressions
from barbershop_core.pie.light import Light, nearest_light, read, sphere
from barbershop_core.weights.manifest import PACKS
from barbershop_core.world import params, shading
from barbershop_core.world.params import INDEX, Portrait


def test_is_the_worlds_light():
    """The world's four light parameters are this light in other units."""
    rng = np.random.default_rng(0)
    for _ in range(5):
        p = np.zeros(params.COUNT)
        for name in params.GROUPS["light"]:
            p[INDEX[name]] = rng.normal()
        q = Portrait(p)
        light = Light(
            azimuth=float(np.degrees(1.05 * q.light_azimuth)),
            elevation=float(np.degrees(0.45 + 0.40 * q.light_elevation)),
            strength=(0.62 + 0.26 * q.light_contrast) / 0.62,
            warmth=q.light_warmth,
        )
        np.testing.assert_allclose(light.coefficients(), shading.gamma(q), atol=2e-3)


@pytest.mark.parametrize("light", [Light(), Light(-60, 10, 1.3, 0.8), Light(45, 60, 0.7, -1.0)])
def test_nearest_light_recovers_a_light(light):
    found = nearest_light(light.coefficients())
    assert abs(found.azimuth - light.azimuth) < 2 and abs(found.elevation - light.elevation) < 3
    assert abs(found.strength - light.strength) < 0.05 and abs(found.warmth - light.warmth) < 0.1


def test_sphere():
    """Brightest where the lamp is; as bright as the irradiance there."""
    ball = sphere({"azimuth": 50, "elevation": 30}, 100).astype(float)
    y, x = np.unravel_index(ball.sum(-1).argmax(), (100, 100))
    assert x > 60 and y < 40
    normal = torch.tensor([0.0, 0.0, 1.0])
    middle = harmonics.basis(normal) @ Light(50, 30).coefficients()
    np.testing.assert_allclose(ball[50, 50], (0.8 * middle).clamp(0, 1) * 255, atol=6)
    assert (ball[:4] == ball[0, 0]).all()


@pytest.mark.parametrize("wrong", [{"azimuth": 200}, {"strength": -1}, {"hue": 3}, {"warmth": "red"}])
def test_bad_light(wrong):
    with pytest.raises(BadRequest):
        read(wrong)


@pytest.fixture(scope="module")
def model():
    return networks.load("face_model", PACKS / "studio" / "face_model.safetensors")


def test_named_expressions_move_landmarks(model):
    theta = model.neutral()
    still = model.landmark_shape(theta)[0]

    def moved(name, strength=1.0):
        beta = expressions.moved(model, theta.expression, name, strength)
        return model.landmark_shape(type(theta)(**{**vars(theta), "expression": beta}))[0] - still

    assert moved("smile")[[48, 54], 1].min() > 0.01
    assert moved("open mouth")[57, 1] < -0.05
    assert moved("raised brows")[17:27, 1].min() > 0.01
    assert moved("closed eyes")[[37, 38, 43, 44], 1].max() < -0.01
    torch.testing.assert_close(moved("smile", 0.5), 0.5 * moved("smile"), atol=1e-5, rtol=0)
    assert moved("smile", 0.0).abs().max() == 0
    named = expressions.moved(model, theta.expression + 0.4, "smile")
    assert named[0, model.expression_names.index("smile")] == pytest.approx(0.9)  # reached, not added


def test_controls(model):
    beta = expressions.moved(model, torch.zeros(1, 5), {"mouth_open": 0.5, "frown": -0.2})
    assert beta[0].tolist() == pytest.approx([0, 0.5, 0, 0, -0.2])
    assert expressions.controls(model) == model.expression_names


@pytest.mark.parametrize(
    "asked, strength", [("anger", 1.0), ({"jaw": 1.0}, 1.0), ({"smile": 9.0}, 1.0), ("smile", 3.0)]
)
def test_bad_expressions(model, asked, strength):
    with pytest.raises(BadRequest):
        expressions.moved(model, torch.zeros(1, 5), asked, strength)


def test_a_model_without_names_solves(model):
    """By landmarks alone, the world's head finds the same smile and open mouth."""
    names, model.expression_names = model.expression_names, ()
    try:
        for name, control in (("smile", "smile"), ("open mouth", "mouth_open"), ("raised brows", "brow_raise")):
            beta = expressions.solved(model, name)[0]
            assert beta[names.index(control)] > 0.2, (name, beta)
        assert expressions.solved(model, "neutral").abs().max() < 1e-6
        assert "smile" in expressions.controls(model)
        half = expressions.moved(model, torch.ones(1, 5), "smile", 0.5)
        torch.testing.assert_close(half, 0.5 + 0.5 * expressions.solved(model, "smile"))
    finally:
        model.expression_names = names


@pytest.mark.parametrize("given", ["left", ["left"], 5, True])
def test_a_light_that_is_no_set_of_numbers_is_explained(given):
    with pytest.raises(BadRequest, match="cannot be given as.*azimuth"):
        read(given)
