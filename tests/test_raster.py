"""The differentiable rasterizer: gradients by differences, closed forms, occlusion."""

import math
import time

import numpy as np
import pytest
import torch

from barbershop_core.face3d import harmonics
from barbershop_core.face3d.morphable import Convention, Morphable
from barbershop_core.face3d.rasterize import rasterize
from barbershop_core.face3d.theta import from_flat

TRIANGLES = torch.tensor([[0, 2, 1], [1, 2, 3]])


def scene(dtype=torch.float64):
    """A slanted quad of two triangles whose edges pass no pixel centre."""
    points = torch.tensor([[[1.13, 1.21], [9.37, 2.17], [2.29, 10.41], [10.63, 8.83]]], dtype=dtype)
    return points, torch.tensor([[2.0, 5.0, 3.0, 4.0]], dtype=dtype)


@pytest.mark.parametrize("flip", [False, True])
def test_gradients(flip):
    points, distance = scene()
    faces = TRIANGLES[:, [0, 2, 1]] if not flip else TRIANGLES
    colours = torch.rand(1, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = rasterize(points, distance, faces, 12)
    if not len(found.pixel):
        assert flip == (len(rasterize(points, distance, TRIANGLES, 12).pixel) == 0)
        return

    def image(points, distance, colours):
        drawn = rasterize(points, distance, faces, 12)
        return drawn.image(drawn.interpolate(colours))

    inputs = [x.requires_grad_(True) for x in (points, distance, colours)]
    assert len(found.pixel) > 30
    assert torch.autograd.gradcheck(image, inputs, eps=1e-6, atol=1e-5)


def front_faces():
    points, distance = scene()
    return TRIANGLES if len(rasterize(points, distance, TRIANGLES, 12).pixel) else TRIANGLES[:, [0, 2, 1]]


def test_perspective_is_right():
    """1/depth and value/depth are linear on the screen, so the ray's own point has the value."""
    points, distance = scene()
    world = torch.cat([points * distance[..., None], distance[..., None]], -1)  # pinhole: x = u * depth
    drawn = rasterize(points, distance, front_faces(), 12)
    at = drawn.interpolate(world)
    torch.testing.assert_close(drawn.interpolate(torch.ones_like(world)), torch.ones_like(at))
    u, v = drawn.pixel % 12 + 0.5, drawn.pixel // 12 + 0.5
    torch.testing.assert_close(at[:, 0] / at[:, 2], u.double())
    torch.testing.assert_close(at[:, 1] / at[:, 2], v.double())


def test_the_nearer_hides_the_farther():
    points, distance = scene()
    both = torch.cat([points, points], 1)
    faces = torch.cat([front_faces(), front_faces() + 4])
    for nearer in (0, 1):
        depth = torch.cat([distance + (nearer != 0), distance + (nearer != 1)], 1)
        drawn = rasterize(both, depth, faces, 12)
        assert bool((drawn.corner // 4 == nearer).all()) and len(drawn.pixel) > 30


def test_back_faces_and_nothing():
    points, distance = scene()
    drawn = rasterize(points, distance, front_faces()[:, [0, 2, 1]], 12)
    assert len(drawn.pixel) == 0 and drawn.mask().sum() == 0
    assert drawn.image(drawn.interpolate(torch.ones(1, 4, 3).double())).shape == (1, 3, 12, 12)
    assert len(rasterize(points + 100, distance, front_faces(), 12).pixel) == 0


def test_a_triangle_larger_than_the_picture():
    points = torch.tensor([[[-900.0, -900.0], [-900.0, 2000.0], [2000.0, -900.0]]])
    drawn = rasterize(points, torch.ones(1, 3), torch.tensor([[0, 1, 2]]), 32)
    assert drawn.mask().sum() == 32 * 32


def sphere(rows=60, columns=120, radius=1.0, distance=10.0):
    """A unit sphere of white albedo as a morphable model without coefficients but one size."""
    polar, turn = np.meshgrid(np.linspace(0, np.pi, rows), np.linspace(0, 2 * np.pi, columns), indexing="ij")
    points = np.stack([np.sin(polar) * np.sin(turn), np.cos(polar), np.sin(polar) * np.cos(turn)], -1)
    from barbershop_core.world.meshes import grid_faces

    mean = torch.from_numpy(radius * points.reshape(-1)).float()
    empty = mean.new_zeros(len(mean), 0)
    state = {
        "mean": mean,
        "identity": mean[:, None].clone(),
        "expression": empty,
        "texture": empty,
        "albedo": torch.ones_like(mean),
        "faces": torch.from_numpy(grid_faces(rows, columns)),
    }
    return Morphable(state, Convention(focal=4.0, distance=distance, row_offset=0.0))


def test_a_lit_sphere():
    """Each pixel of a lit sphere has the irradiance of its own normal, found by intersecting its ray."""
    model, size = sphere(100, 200), 96
    direction = torch.nn.functional.normalize(torch.tensor([0.5, 0.4, 0.75]), dim=0)
    sh = harmonics.lamp(direction)[:, None] * torch.tensor([1.0, 0.8, 0.6])
    theta = model.neutral()
    theta = type(theta)(**{**vars(theta), "light": model.to_light(sh)})
    drawn = model.render(theta, size)
    at = (torch.arange(size) + 0.5) / size - 0.5
    u, v = at[None].expand(size, size) / 4.0, -at[:, None].expand(size, size) / 4.0
    # ray from the eye (0, 0, 10) along (u, v, -1): |eye + t ray| = 1
    ray = torch.stack([u, v, -torch.ones_like(u)], -1)
    a, b = ray.square().sum(-1), -10.0
    root = b * b - a * 99.0
    hit = root > 0
    t = (-b - root.clamp_min(0).sqrt()) / a
    normal = torch.tensor([0.0, 0.0, 10.0]) + t[..., None] * ray
    expected = (harmonics.basis(normal) @ sh).permute(2, 0, 1)
    well = hit & (normal[..., 2] > 0.45)  # facets' normals are coarse at the rim
    error = (drawn.image[0] - expected)[:, well].abs()
    assert error.max() < 0.01 and error.mean() < 0.002
    assert abs(float(drawn.mask.sum()) - float(hit.sum())) < 0.01 * float(hit.sum())


def test_a_lamp_is_the_clamped_cosine():
    """Nine coefficients keep the cosine to the few percent that Ramamoorthi and Hanrahan state."""
    normals = torch.nn.functional.normalize(torch.randn(4000, 3, generator=torch.Generator().manual_seed(1)), dim=1)
    direction = torch.nn.functional.normalize(torch.tensor([0.3, -0.8, 0.5]), dim=0)
    lit = harmonics.basis(normals) @ harmonics.lamp(direction)
    error = lit - (normals @ direction).clamp_min(0)
    assert error.abs().max() < 0.1 and error.square().mean().sqrt() < 0.05
    products = harmonics.basis(normals).double()
    gram = products.T @ products / len(normals) * 4 * math.pi
    torch.testing.assert_close(gram, torch.eye(9).double(), atol=0.15, rtol=0)


def test_all_of_theta_has_gradients():
    """Pose, light and shape by central differences of a picture of the sphere, inside its outline."""
    model = sphere(24, 48).double()
    numbers = model.neutral().flat().double()
    numbers[0, :3] = torch.tensor([0.2, -0.1, 0.05])
    numbers[0, -27:] += 0.1 * torch.randn(27, generator=torch.Generator().manual_seed(3))
    size = 24
    inside = model.render(from_flat(numbers, model.sizes), size).mask
    inside = -torch.nn.functional.max_pool2d(-inside, 5, 1, 2)  # the outline has no gradient
    weight = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(4)).double() * inside

    def value(x):
        return (model.render(from_flat(x, model.sizes), size).image * weight).sum()

    x = numbers.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(value(x), x)
    for k in (3, 4, 5, 6, 7, 16, 25, 33):  # translation, size, light; turning a smooth ball changes facets only
        step = torch.zeros_like(numbers)
        step[0, k] = 1e-6
        slope = (value(numbers + step) - value(numbers - step)) / 2e-6
        assert math.isclose(float(gradient[0, k]), float(slope), rel_tol=2e-2, abs_tol=2e-2), k


def test_pose_gradient_on_a_plain_face():
    """A tilted triangle's shading and place under rotation, by gradcheck."""
    mean = torch.tensor([-1.0, -0.9, 0.1, 1.1, -0.8, -0.2, 0.05, 1.0, 0.15])
    empty = mean.new_zeros(9, 0)
    state = {
        "mean": mean,
        "identity": empty,
        "expression": empty,
        "texture": empty,
        "albedo": torch.rand(9, generator=torch.Generator().manual_seed(0)),
        "faces": torch.tensor([[0, 1, 2]]),
    }
    model = Morphable(state, Convention(focal=2.0, distance=5.0, row_offset=0.0)).double()
    x = model.neutral().flat().double()
    x[0, -27:] += 0.2 * torch.randn(27, generator=torch.Generator().manual_seed(1)).double()
    inside = -torch.nn.functional.max_pool2d(-model.render(from_flat(x, model.sizes), 12).mask, 3, 1, 1)
    assert inside.sum() > 5

    def picture(x):
        return model.render(from_flat(x, model.sizes), 12).image * inside

    assert torch.autograd.gradcheck(picture, x.requires_grad_(True), eps=1e-6, atol=1e-4)


@pytest.mark.slow
def test_speed(capsys):
    """Prints triangles per second, forward and with gradients."""
    model = sphere(72, 88)
    theta = model.neutral(4)
    x = theta.flat().requires_grad_(True)
    model.render(theta, 128)
    began = time.perf_counter()
    model.render(from_flat(x, model.sizes), 128).image.sum().backward()
    seconds = time.perf_counter() - began
    with capsys.disabled():
        print(f"\nrasterizer: {4 * len(model.faces) / seconds / 1e3:.0f} thousand triangles/s with gradients")
    assert seconds < 20
