"""The morphable model: against Deep3DFaceRecon's outputs, its files, and closed forms."""

import math
import os

import numpy as np
import pytest
import torch
from fixture import Fixture
from scipy.io import savemat

from barbershop_core import networks
from barbershop_core.errors import BadRequest, UnsafePickle, WeightCorrupt, WeightMissing
from barbershop_core.face3d import basel
from barbershop_core.face3d.theta import Theta, from_flat, rotation_from_angles


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """The reference's file as published, its outputs, and theta of its coefficients."""
    fixture = Fixture("bfm")
    from conformance import weights

    state = weights.numpy_state(fixture.path, fixture.seed)
    assert weights.checksum(state) == fixture.spec["state_sha256"]
    io, faces = fixture.io, len(fixture.io["tri"])
    mat = {
        "meanshape": io["meanshape"],
        "idBase": state["idBase"],
        "exBase": state["exBase"],
        "meantex": state["meantex"],
        "texBase": state["texBase"],
        "tri": io["tri"] + 1,
        "point_buf": io["point_buf"] + 1,
        "keypoints": io["keypoints"][None] + 1,
        "tri_mask2": np.ones((faces, 1)),
        "frontmask2_idx": np.ones((1, 1)),
        "skinmask": np.ones((1, 480)),
    }
    path = tmp_path_factory.mktemp("bfm") / "BFM_model_front.mat"
    savemat(path, mat)
    theta = basel.theta_of(torch.from_numpy(io["coeffs"]))
    return fixture, path, mat, theta


def test_conformance(published):
    fixture, path, _, theta = published
    model = basel.load(path)
    shape = model.shape(theta)
    turn = model.rotation(theta).transpose(1, 2)
    fixture.check("shape", shape)
    fixture.check("rotation", turn)
    fixture.check("texture", model.skin(theta))
    normals = model.normals(shape)
    fixture.check("normal", normals)
    fixture.check("normal_rotated", normals @ turn)
    fixture.check("color", model.colours(theta, shape))
    placed = model.place(shape, theta)
    camera = torch.cat([placed[..., :2], model.convention.distance - placed[..., 2:]], -1)
    fixture.check("vertex_camera", camera)
    fixture.check("projected", model.project(placed, 224))
    marks = model.place(model.landmark_shape(theta), theta)
    fixture.check("landmarks", model.project(marks, 224))
    fixture.check("landmarks_v_down", model.landmarks(theta, 224))
    assert theta.flat().shape == (2, 257) and model.sizes == theta.sizes


def three_d(mat) -> dict:
    """The same model as 3DDFA-V3's dictionary."""
    mean = mat["meanshape"].reshape(-1, 3)
    return {
        "u": (mean - mean.mean(0)).reshape(-1, 1),
        "id": mat["idBase"],
        "exp": mat["exBase"],
        "u_alb": mat["meantex"].reshape(-1, 1),
        "alb": mat["texBase"],
        "tri": mat["tri"] - 1,
        "point_buf": mat["point_buf"] - 1,
        "ldm68": mat["keypoints"].reshape(-1) - 1,
        "annotation": [np.arange(3), np.arange(5)],
    }


def test_3ddfa_file(published, tmp_path):
    fixture, _, mat, theta = published
    path = tmp_path / "face_model.npy"
    np.save(path, three_d(mat))  # a pickled dictionary, as published
    model = basel.load(path)
    fixture.check("landmarks_v_down", model.landmarks(theta, 224))
    fixture.check("color", model.colours(theta, model.shape(theta)))


class Malicious:
    def __reduce__(self):
        return os.mkdir, ("run-by-a-pickle",)


def test_3ddfa_file_runs_nothing(published, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("face_model.npy", {**three_d(published[2]), "extra": Malicious()})
    with pytest.raises(UnsafePickle):
        basel.load("face_model.npy")
    assert not (tmp_path / "run-by-a-pickle").exists()


def test_original_2009_file(tmp_path):
    """Micrometres and standard deviations come out as documented, faces outward either way round."""
    rng = np.random.default_rng(0)
    corner = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], float)
    outward = np.array([[0, 1, 2], [0, 3, 1], [0, 2, 3], [1, 3, 2]])
    for tl in (outward, outward[:, [0, 2, 1]]):
        mat = {
            "shapeMU": 1e5 * corner.reshape(-1, 1),
            "shapePC": rng.normal(size=(12, 99)),
            "shapeEV": 1e5 * np.full((99, 1), 0.5),
            "texMU": np.full((12, 1), 127.5),
            "texPC": rng.normal(size=(12, 99)),
            "texEV": np.full((99, 1), 2.0),
            "tl": tl + 1,
        }
        savemat(tmp_path / "01_MorphableModel.mat", mat)
        model = basel.load(tmp_path / "01_MorphableModel.mat")
        assert model.sizes["identity"] == 80 and model.sizes["expression"] == 0
        np.testing.assert_allclose(model.mean.reshape(-1, 3), corner, atol=1e-6)
        theta = model.neutral()
        theta.identity[0, 3] = 2.0
        moved = model.shape(theta)[0].reshape(-1) - model.mean
        np.testing.assert_allclose(moved, mat["shapePC"][:, 3], atol=1e-6)
        outward_normal = torch.nn.functional.normalize(torch.tensor(corner).float(), dim=1)
        np.testing.assert_allclose(model.normals(model.shape(model.neutral()))[0], outward_normal, atol=1e-5)
        assert model.landmarks(theta, 64).shape == (1, 0, 2)


def test_damaged_and_missing(published, tmp_path):
    with pytest.raises(WeightMissing):
        basel.load(tmp_path / "nothing.mat")
    cut = tmp_path / "cut.mat"
    cut.write_bytes(published[1].read_bytes()[:400])
    with pytest.raises(WeightCorrupt):
        basel.load(cut)
    savemat(tmp_path / "other.mat", {"x": np.ones(3)})
    with pytest.raises(WeightCorrupt, match="meanshape"):
        basel.load(tmp_path / "other.mat")
    np.save(tmp_path / "numbers.npy", np.ones(3))
    with pytest.raises(WeightCorrupt):
        basel.load(tmp_path / "numbers.npy")
    with pytest.raises(WeightCorrupt, match="fit"):
        basel.from_deep3d({**published[2], "tri": published[2]["tri"] + 10**6})


def test_our_own_layout(published, tmp_path):
    from barbershop_core.face3d.model_files import to_state

    model = basel.load(published[1])
    again = networks.load("face_model", to_state(model))
    assert again.convention == model.convention and again.expression_names == ()
    theta = published[3]
    assert torch.equal(again.colours(theta, again.shape(theta)), model.colours(theta, model.shape(theta)))
    with pytest.raises(WeightCorrupt):
        networks.load("face_model", {"mean": torch.zeros(3)})


def test_theta_parts(published):
    theta = published[3]
    assert torch.equal(from_flat(theta.flat(), theta.sizes).light, theta.light)
    mixed = theta[0].mixed(theta[1], ("pose", "light"))
    assert torch.equal(mixed.rotation, theta.rotation[1:]) and torch.equal(mixed.light, theta.light[1:])
    assert torch.equal(mixed.expression, theta.expression[:1])
    degrees = torch.tensor([[20.0, -7.0, 3.0]])
    turned = Theta(**{**vars(theta[0]), "rotation": rotation_from_angles(degrees)})
    torch.testing.assert_close(turned.angles(), degrees)
    with pytest.raises(BadRequest, match="pose"):
        theta.tau("hair")


def test_angles_turn_as_they_say(published):
    """Yaw moves the nose to the picture's right, pitch moves it up, roll turns clockwise."""
    model = basel.load(published[1])
    front = torch.tensor([[[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]])

    def seen(**degrees):
        order = torch.tensor([[degrees.get(k, 0.0) for k in ("yaw", "pitch", "roll")]])
        theta = Theta(**{**vars(model.neutral()), "rotation": rotation_from_angles(order)})
        return model.to_rows(model.project(model.place(front, theta), 100), 100)[0]

    straight = seen()
    assert seen(yaw=20)[0, 0] > straight[0, 0] + 5
    assert seen(pitch=20)[0, 1] < straight[0, 1] - 5  # y grows downwards
    assert seen(roll=20)[1, 0] > straight[1, 0] + 5


def test_translation_is_found_again(published):
    """The closed form returns the translation that the landmarks were projected with."""
    model, theta = basel.load(published[1]), published[3]
    theta = Theta(**{**vars(theta), "translation": torch.tensor([[0.1, -0.2, 0.4], [-0.3, 0.1, -0.5]])})
    marks = model.landmarks(theta, 224)
    start = Theta(**{**vars(theta), "translation": torch.zeros(2, 3)})
    found = model.solve_translation(start, marks, 224)
    torch.testing.assert_close(found.translation, theta.translation, atol=2e-3, rtol=0)


def test_light_goes_both_ways(published):
    model, theta = basel.load(published[1]), published[3]
    torch.testing.assert_close(model.to_light(model.from_light(theta.light)), theta.light)
    even = model.irradiance(torch.nn.functional.normalize(torch.randn(1, 50, 3), dim=-1), model.neutral().light)
    assert math.isclose(even.min(), 1, abs_tol=1e-5) and math.isclose(even.max(), 1, abs_tol=1e-5)
