"""The portrait world tells the truth: its labels, landmarks, captions and theta fit its pictures."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from barbershop_core.face3d.zbuffer import visible_triangles
from barbershop_core.networks.stylegan2 import Generator
from barbershop_core.photo import crop
from barbershop_core.world import params, shading
from barbershop_core.world.params import INDEX, Portrait
from barbershop_core.world.render import ffhq_frame, render
from barbershop_core.world.shading import LABEL

SIZE = 96


def person(**values: float) -> np.ndarray:
    """The mean portrait with some parameters (standard normal) changed."""
    p = np.zeros(params.COUNT, np.float32)
    for name, value in values.items():
        p[INDEX[name]] = value
    return p


def having(labels: np.ndarray, *names: str) -> np.ndarray:
    return np.isin(labels, [LABEL[name] for name in names])


@pytest.fixture(scope="module")
def crowd():
    """Twenty portraits with their parameters."""
    sampled = params.sample(20, 700_123)
    return [(p, render(p, SIZE)) for p in sampled]


# parameters and the generator's input ------------------------------------------------------------


def test_same_seed_same_portraits_same_pictures():
    p = params.sample(3, 5)
    np.testing.assert_array_equal(p, params.sample(3, 5))
    np.testing.assert_array_equal(p[:2], params.sample(2, 5))
    assert (p != params.sample(3, 6)).any()
    one, two = render(p[0], 64), render(p[0], 64)
    for name in ("image", "labels", "landmarks", "theta"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    assert one.caption == two.caption


@pytest.mark.parametrize("z_dim", [128, 512])
@pytest.mark.parametrize("seed", [None, 3])
def test_portraits_survive_the_way_through_z(z_dim, seed):
    p = params.sample(50, 1)
    z = params.to_z(p, z_dim, seed)
    np.testing.assert_allclose(np.linalg.norm(z, axis=1), np.sqrt(z_dim), rtol=1e-5)
    np.testing.assert_allclose(params.from_z(z), p, atol=1e-5)
    np.testing.assert_allclose(params.from_z(0.3 * z), p, atol=1e-5)  # length carries nothing


def test_the_generators_pixel_norm_keeps_z():
    torch.manual_seed(0)
    g = Generator(32, 64, 2, {r: 8 for r in (4, 8, 16, 32)})
    z = torch.from_numpy(params.to_z(params.sample(2, 1), 64))
    with torch.no_grad():
        torch.testing.assert_close(g.mapping(z), g.mapping(7 * z))
    normalized = z * torch.rsqrt(z.square().mean(1, keepdim=True))  # Karras et al. 2019
    torch.testing.assert_close(normalized, z, atol=1e-4, rtol=1e-4)


def test_groups_name_every_parameter_once():
    assert sorted(params.indices(*params.GROUPS)) == list(range(params.COUNT))
    assert params.indices("hair_color") == [INDEX[n] for n in ("hair_lightness", "hair_red", "hair_grey")]
    values = [Portrait(p).smile for p in params.sample(400, 2)]
    assert min(values) >= -1 and max(values) <= 1
    assert abs(np.mean(values)) < 0.1 and np.std(values) == pytest.approx(1 / np.sqrt(3), abs=0.05)  # uniform


# labels and landmarks fit the picture ------------------------------------------------------------


def test_landmarks_lie_on_their_parts(crowd):
    hits = {"eyes": [], "nose": [], "mouth": [], "brows": []}
    parts = {
        "eyes": ("l_eye", "r_eye"),
        "nose": ("nose",),
        "mouth": ("mouth", "u_lip", "l_lip"),
        "brows": ("l_brow", "r_brow"),
    }
    for p, drawn in crowd:
        if abs(Portrait(p).angles[0]) > 15:
            continue
        marks = drawn.landmarks
        points = {
            "eyes": [marks[36:42].mean(0), marks[42:48].mean(0)],
            "nose": [marks[30]],
            "mouth": [marks[51:58].mean(0)],
            "brows": [marks[19], marks[24]],
        }
        for name, places in points.items():
            near = ndimage.binary_dilation(having(drawn.labels, *parts[name]), iterations=2)
            cover = having(drawn.labels, "hair", "eye_g")
            for x, y in places:
                column, row = int(x), int(y)
                if not cover[row, column]:
                    hits[name].append(near[row, column])
    for name, found in hits.items():
        assert len(found) >= 5 and np.mean(found) >= 0.95, (name, found)


def test_left_and_right_are_the_pictures(crowd):
    for _, drawn in crowd:
        columns = np.arange(SIZE)[None]
        for left, right in (("l_eye", "r_eye"), ("l_brow", "r_brow")):
            one, two = having(drawn.labels, left), having(drawn.labels, right)
            if one.any() and two.any():
                assert (one * columns).sum() / one.sum() < (two * columns).sum() / two.sum()
        assert drawn.landmarks[36:42, 0].mean() < drawn.landmarks[42:48, 0].mean()
        assert drawn.landmarks[33, 1] < drawn.landmarks[51, 1] < drawn.landmarks[8, 1]  # nose, lips, chin


def test_the_frame_of_the_landmarks_is_the_picture(crowd):
    """By our function and by the published procedure (checked on its own in test_crop)."""
    for p, drawn in crowd:
        roll = np.radians(Portrait(p).angles[2])
        centre, x_axis, y_axis = ffhq_frame(drawn.landmarks.astype(np.float64))
        np.testing.assert_allclose(centre, [SIZE / 2] * 2, atol=1e-3)
        np.testing.assert_allclose(x_axis, SIZE / 2 * np.array([np.cos(roll), np.sin(roll)]), atol=1e-3)
        np.testing.assert_allclose(y_axis, SIZE / 2 * np.array([-np.sin(roll), np.cos(roll)]), atol=1e-3)
        corners = centre + np.array([-x_axis - y_axis, -x_axis + y_axis, x_axis + y_axis, x_axis - y_axis])
        np.testing.assert_allclose(crop.ffhq_quad(drawn.landmarks), corners, atol=0.51)


def test_sizes_show_the_same_portrait(crowd):
    for p, drawn in crowd[:3]:
        large = render(p, 2 * SIZE)
        np.testing.assert_allclose(large.landmarks, 2 * drawn.landmarks, atol=1e-3)
        assert (large.labels[::2, ::2] == drawn.labels).mean() > 0.93
        small = large.image.reshape(SIZE, 2, SIZE, 2, 3).astype(float).mean((1, 3))
        assert np.abs(small - drawn.image).mean() < 4


# one thing changes, the others stay --------------------------------------------------------------


def test_colours_change_no_shapes(crowd):
    p, drawn = crowd[0]
    other = p.copy()
    other[params.indices(*params.APPEARANCE)] = params.sample(1, 9)[0][params.indices(*params.APPEARANCE)]
    changed = render(other, SIZE)
    np.testing.assert_array_equal(changed.labels, drawn.labels)
    np.testing.assert_array_equal(changed.landmarks, drawn.landmarks)
    assert np.abs(changed.image.astype(int) - drawn.image).mean() > 10


@pytest.mark.parametrize(
    ("group", "elsewhere"),
    [
        ("background", [name for name in LABEL if name != "background"]),
        ("cloth", [name for name in LABEL if name != "cloth"]),
        ("hair_color", ["background", "cloth", "neck"]),
    ],
)
def test_a_groups_colours_stay_in_its_region(crowd, group, elsewhere):
    for p, drawn in crowd[:4]:
        other = p.copy()
        other[params.indices(group)] *= -1.5
        changed = render(other, SIZE)
        kept = having(drawn.labels, *elsewhere)
        inner = ndimage.binary_erosion(kept, iterations=2, border_value=1)
        same = (changed.image[inner] == drawn.image[inner]).all(-1)
        # a wisp thinner than half a pixel tints pixels that are labelled as what lies behind it
        assert same.mean() > 0.998 if group == "hair_color" else same.all()
        assert np.abs(changed.image.astype(int) - drawn.image)[~kept].max() > 5


def test_another_hair_shape_keeps_the_face(crowd):
    """Far from either hair (which throws a soft shadow) no pixel changes."""
    seen = 0
    for p, drawn in crowd[:6]:
        other = p.copy()
        other[params.indices("hair_shape")] = params.sample(1, 11)[0][params.indices("hair_shape")]
        changed = render(other, SIZE)
        np.testing.assert_array_equal(changed.landmarks, drawn.landmarks)
        np.testing.assert_array_equal(changed.theta, drawn.theta)
        either = having(drawn.labels, "hair") | having(changed.labels, "hair")
        beside = ~ndimage.binary_dilation(either)
        np.testing.assert_array_equal(changed.labels[beside], drawn.labels[beside])
        far = ~ndimage.binary_dilation(either, iterations=SIZE // 8)
        assert np.abs(changed.image[far].astype(int) - drawn.image[far]).max() <= 1  # the shadow's last trace
        seen += far.sum()
    assert seen > 6 * 0.1 * SIZE * SIZE


def test_pose_turns_where_it_says():
    middle = {}
    for yaw in (-1.5, 0.0, 1.5):
        marks = render(person(yaw=yaw), SIZE).landmarks
        middle[yaw] = marks[30, 0] - (marks[36:42].mean(0) + marks[42:48].mean(0))[0] / 2
    assert middle[-1.5] < -2 and abs(middle[0.0]) < 0.5 and middle[1.5] > 2
    theta = render(person(yaw=1.0, pitch=-1.0, roll=0.5), 32).theta
    np.testing.assert_allclose(theta[:3], np.radians(Portrait(person(yaw=1.0, pitch=-1.0, roll=0.5)).angles), rtol=1e-5)


# captions ----------------------------------------------------------------------------------------


def test_captions_say_what_the_picture_shows(crowd):
    for _, drawn in crowd:
        assert ("glasses" in drawn.caption) == bool(having(drawn.labels, "eye_g").any()), drawn.caption
    bald_chin = {}
    for length in (-1.5, 1.5):
        drawn = render(person(hair_length=length), SIZE)
        below = np.arange(SIZE)[:, None] > drawn.landmarks[8, 1]
        bald_chin[length] = (having(drawn.labels, "hair") & below).sum()
        assert ("long" if length > 0 else "short") in drawn.caption.split()
    assert bald_chin[1.5] > 200 > 20 > bald_chin[-1.5]


def test_captions_colours_are_the_hairs():
    brightness = {}
    for name, values in {
        "black": {"hair_lightness": -2.0},
        "brown": {},
        "blond": {"hair_lightness": 2.0},
        "red": {"hair_red": 2.5},
        "grey": {"hair_grey": 2.5},
    }.items():
        drawn = render(person(**values), SIZE)
        assert name in drawn.caption.split(), drawn.caption
        colour = drawn.image[having(drawn.labels, "hair")].mean(0)
        brightness[name] = colour.mean()
        spread = (colour[0] - colour[2]) / colour.mean()
        assert spread < 0.25 if name == "grey" else spread > 0.6 if name == "red" else True, (name, colour)
    assert brightness["black"] < brightness["brown"] < brightness["blond"]


def test_captions_expressions_are_the_faces():
    def mouth(marks):
        corners, middle = (marks[48, 1] + marks[54, 1]) / 2, (marks[51, 1] + marks[57, 1]) / 2
        return middle - corners, marks[66, 1] - marks[62, 1]

    plain, smiling, opened = (render(person(**v), SIZE) for v in ({}, {"smile": 2.0}, {"mouth_open": 2.0}))
    assert "smiling" in smiling.caption and "smiling" not in plain.caption
    assert "open mouth" in opened.caption and "open mouth" not in plain.caption
    assert mouth(smiling.landmarks)[0] > mouth(plain.landmarks)[0] + 0.5  # corners go up
    assert mouth(opened.landmarks)[1] > mouth(plain.landmarks)[1] + 1
    bearded = render(person(beard=2.0), SIZE)
    assert "beard" in bearded.caption and "beard" not in plain.caption
    x, y = bearded.landmarks[8].astype(int) - [0, 4]
    assert bearded.image[y, x].mean() < 0.8 * plain.image[y, x].mean()


# light -------------------------------------------------------------------------------------------


def sphere(count: int) -> np.ndarray:
    """Evenly spread unit vectors [N,3] (Fibonacci)."""
    i = np.arange(count) + 0.5
    z, turn = 1 - 2 * i / count, np.pi * (1 + 5**0.5) * i
    r = np.sqrt(1 - z * z)
    return np.stack([r * np.cos(turn), r * np.sin(turn), z], 1)


def test_the_harmonics_are_orthonormal():
    basis = shading.spherical_harmonics(sphere(20_000))
    np.testing.assert_allclose(4 * np.pi * basis.T @ basis / len(basis), np.eye(9), atol=2e-3)


def test_light_of_theta_is_the_closed_form_on_a_sphere():
    """A distant light seen through a clamped cosine is, to second order, 1/4 + c/2 + 5/32 (3cc - 1) with the
    cosine c to the light (Ramamoorthi & Hanrahan 2001, by the addition theorem)."""
    n = sphere(500)

    def lobe(c):
        return (1 / 4 + c / 2 + 5 / 32 * (3 * c * c - 1)) / np.pi

    for p in params.sample(5, 21):
        q = Portrait(p)
        theta = render(p, 16).theta
        found = shading.spherical_harmonics(n) @ theta[-27:].reshape(9, 3)
        key, flat = 0.62 + 0.26 * q.light_contrast, 0.64 - 0.22 * q.light_contrast
        tint = 1 + 0.06 * q.light_warmth * np.array([1.0, 0.1, -1.0])
        even = flat * (1 + 0.16 * n[:, 1] + 0.04 * n[:, 2]) + 0.22 * lobe(n @ [0.0, 0.35, 0.94])
        expected = even[:, None] + key * lobe(n @ shading.light_direction(q))[:, None] * tint
        np.testing.assert_allclose(found, expected, atol=2e-3)


# rasterizer --------------------------------------------------------------------------------------


def brute_force(screen, faces, two_sided, size):
    """Front-most triangle of each pixel centre, -1 for none, -2 where the answer hangs on rounding."""
    winner = np.full((size, size), -1)
    for row in range(size):
        for column in range(size):
            at, best, second, edge = np.array([column + 0.5, row + 0.5]), -np.inf, -np.inf, False
            for t, face in enumerate(faces):
                a, b, c = screen[face].astype(np.float64)
                matrix = np.stack([b[:2] - a[:2], c[:2] - a[:2]], 1)
                area = np.linalg.det(matrix)
                if abs(area) < 1e-9 or (area > 0 and not two_sided[t]):
                    continue
                wb, wc = np.linalg.solve(matrix, at - a[:2])
                inner = min(wb, wc, 1 - wb - wc)
                edge |= abs(inner) < 1e-3
                if inner >= 0:
                    depth = (1 - wb - wc) * a[2] + wb * b[2] + wc * c[2]
                    if depth > best:
                        best, second, winner[row, column] = depth, best, t
                    else:
                        second = max(second, depth)
            if edge or best - second < 1e-4:
                winner[row, column] = -2
    return winner


@pytest.mark.parametrize("seed", range(4))
def test_rasterizer_agrees_with_brute_force(seed):
    rng = np.random.default_rng(seed)
    size, count = 14, 12
    screen = np.concatenate([rng.uniform(-4, size + 4, (24, 2)), rng.uniform(-1, 1, (24, 1))], 1)
    screen = screen.astype(np.float32)
    faces = np.stack([rng.choice(24, 3, replace=False) for _ in range(count)])
    two_sided = rng.random(count) < 0.5
    pixel, triangle, weight = (
        a.numpy()
        for a in visible_triangles(torch.from_numpy(screen), torch.from_numpy(faces), torch.from_numpy(two_sided), size)
    )
    found = np.full(size * size, -1)
    found[pixel] = triangle
    expected = brute_force(screen, faces, two_sided, size).ravel()
    sure = expected != -2
    assert sure.mean() > 0.9
    np.testing.assert_array_equal(found[sure], expected[sure])
    np.testing.assert_allclose(weight.sum(1), 1, atol=1e-5)
    places = np.einsum("nk,nkd->nd", weight, screen[faces[triangle]][..., :2])
    np.testing.assert_allclose(places, np.stack([pixel % size, pixel // size], 1) + 0.5, atol=1e-3)
