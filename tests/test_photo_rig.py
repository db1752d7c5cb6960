"""The rig of a photograph: what may be asked of it, its light, and real photographs."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from small_face import painted

from barbershop_core import open_pack
from barbershop_core.compositing import relight
from barbershop_core.editing.photographs import photograph
from barbershop_core.errors import BadRequest
from barbershop_core.photo.landmarker import LandmarkerUnavailable, open_landmarker
from barbershop_core.pie.light import Light
from barbershop_core.pie.photo_rig import CONTROLS, MOST, photo_rig
from barbershop_core.pie.rig_request import RigRequest


@pytest.fixture(scope="module")
def rig():
    return photo_rig(painted(blendshapes={"jawOpen": 0.1, "mouthSmileLeft": 0.4, "mouthSmileRight": 0.4}))


def lab(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(picture, cv2.COLOR_RGB2LAB)[mask > 0.5].mean(0)


def test_nothing_asked_is_the_photograph(rig):
    np.testing.assert_allclose(rig.move(RigRequest()), rig.photograph.image, atol=1e-3)
    assert rig.move(RigRequest(), size=64).shape == (64, 64, 3)


def test_angles_and_refusals(rig):
    assert rig.angles == (0.0, 0.0, 0.0)
    assert rig.within("yaw", 90) == MOST[0] and rig.within("pitch", -90) == -MOST[1]
    with pytest.raises(BadRequest, match="-20 to 20"):
        rig.move(RigRequest.of(yaw=25.0))
    turned = photo_rig(painted((30.0, 0, 0)))
    assert turned.angles[0] == pytest.approx(30, abs=0.1)
    with pytest.raises(BadRequest):
        turned.move(RigRequest.of(yaw=12.0))  # nearly a profile
    turned.move(RigRequest.of(yaw=-12.0))


def test_expressions_add_up_to_what_was_asked_for(rig):
    amounts = rig._amounts(RigRequest.of(expression={"mouth_open": 0.5}), None)
    assert amounts == {"jawOpen": pytest.approx(0.5 * CONTROLS["mouth_open"]["jawOpen"])}
    smile = rig._amounts(RigRequest.of(expression="smile"), None)
    assert smile["mouthSmileLeft"] == pytest.approx(0.5)  # from .4 to .9
    neutral = rig._amounts(RigRequest.of(expression="neutral"), None)
    assert neutral["mouthSmileRight"] == pytest.approx(-0.4) and neutral["jawOpen"] < 0
    with pytest.raises(BadRequest):
        rig.move(RigRequest.of(expression={"ears": 1.0}))
    with pytest.raises(BadRequest):
        rig.move(RigRequest.of(expression={"smile": 3.0}))


def test_copies_another_photograph(rig):
    other = photo_rig(painted((8.0, -4.0, 0.0), blendshapes={"jawOpen": 0.6}))
    request = RigRequest(copied=("pose", "expression"))
    assert rig._turn(request, other) == pytest.approx((8, -4, 0), abs=0.2)
    assert rig._amounts(request, other)["jawOpen"] == pytest.approx(0.5)


@pytest.mark.parametrize("tone", [(0.85, 0.68, 0.6), (0.3, 0.19, 0.14)])
@pytest.mark.parametrize("lamp", [{"azimuth": 70.0}, {"azimuth": -60.0, "strength": 1.5}, {"elevation": 70.0}])
def test_light_keeps_the_skin_and_its_texture(tone, lamp):
    """On light and dark skin: the mean colour stays within 3, dots keep their contrast, the lit side is brighter."""
    rig = photo_rig(painted(tone=tone))
    mask, before = rig.photograph.parts["skin"], rig.photograph.image
    after = rig.move(RigRequest.of(light=lamp))
    assert np.linalg.norm(lab(after, mask) - lab(before, mask)) < 3
    fine = [picture - cv2.GaussianBlur(picture, (0, 0), 2) for picture in (before, after)]
    inner = cv2.erode(mask, np.ones((9, 9)))
    share = np.linalg.norm(fine[1][inner > 0]) / np.linalg.norm(fine[0][inner > 0])
    assert 0.85 < share < 1.15
    ratio = (cv2.GaussianBlur(after, (0, 0), 4) / cv2.GaussianBlur(before, (0, 0), 4)).mean(2)
    points = rig.photograph.mesh.round().astype(int)
    right, left, top, chin = (ratio[points[k, 1], points[k, 0]] for k in (425, 205, 10, 152))
    if "azimuth" in lamp:
        assert (right > 1.03 * left) if lamp["azimuth"] > 0 else (left > 1.03 * right)
    else:
        assert top > 1.03 * chin
    assert np.abs(after[:4] - before[:4]).max() < 0.02  # the background keeps its light


def test_the_own_light_changes_nothing(rig):
    own = rig.light
    still = rig.move(RigRequest(light=own))
    np.testing.assert_allclose(still, rig.photograph.image, atol=0.01)
    nudged = rig.move(RigRequest(light=replace(own, strength=own.strength + (0.05 if own.strength < 1 else -0.05))))
    assert 0 < np.abs(nudged - still).max() < 0.2


def test_own_light_is_found():
    """A face lit by known harmonics: the ratio to the same light is 1."""
    photo = painted()
    rig = photo_rig(photo)
    truth = Light(azimuth=50.0, strength=1.3).coefficients().numpy()
    lit = np.power(relight.basis(rig.shading.normals) @ truth, relight.DEPTH)
    lit = cv2.resize(lit / lit.mean(), photo.image.shape[:2])
    shaded = np.power(np.power(photo.image, 2.2) * lit * 0.8, 1 / 2.2).astype(np.float32)
    photo = type(photo)(shaded, photo.known, photo.parts, photo.mesh, photo.matrix)
    shading = photo_rig(photo).shading
    factor = relight.factor(shading, truth)[shading.skin > 0.9]
    assert np.abs(np.log(factor)).mean() < 0.08
    other = relight.factor(shading, Light(azimuth=-50.0, strength=1.3).coefficients().numpy())[shading.skin > 0.9]
    assert np.abs(np.log(other)).mean() > 0.2
    assert photo_rig(photo).light.azimuth > 25


def test_the_overlay_shows_the_mesh(rig):
    drawn = rig.overlay(96)
    assert drawn.shape == (96, 96, 3) and drawn.dtype == np.uint8
    plain = cv2.resize(rig.photograph.image, (96, 96), interpolation=cv2.INTER_AREA)
    assert np.abs(drawn / 255 - plain).max() > 0.2


@pytest.fixture(scope="module")
def portraits(photos):
    """Rigs of real photographs, with the landmarker as the judge."""
    from barbershop_core import Studio

    pack = open_pack("studio", device="cpu")
    studio = Studio(pack, cache=False)
    try:
        landmarker = open_landmarker(pack.landmarker)
    except LandmarkerUnavailable as bad:
        pytest.skip(str(bad))
    files = ("portrait_obama.jpg", "paintings/leonardo-mona-lisa.jpg")
    return [photo_rig(photograph(pack, studio.read(photos / file), size=384), landmarker) for file in files]


@pytest.mark.parametrize("angle", [{"yaw": 12.0}, {"yaw": -12.0}, {"pitch": 8.0}, {"pitch": -8.0}])
def test_real_heads_turn_by_what_was_asked_for(portraits, angle):
    for rig in portraits:
        found = rig.turned(rig.move(RigRequest.of(**angle)))
        for name, degrees in zip(("yaw", "pitch"), found):
            assert degrees == pytest.approx(angle.get(name, 0.0), abs=2.0)


def test_a_real_mouth_opens(portraits):
    for rig in portraits:
        picture = rig.move(RigRequest.of(expression="open mouth"))
        face = rig.landmarker.detect((picture * 255).astype(np.uint8))[0]
        assert face.blendshapes["jawOpen"] > rig.photograph.blendshapes["jawOpen"] + 0.25
