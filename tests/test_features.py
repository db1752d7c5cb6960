"""Faces and single features of another photograph: own ones come back, tones are the person's, the rest stays."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from barbershop_core import Studio, open_pack
from barbershop_core.barbershop.features import carry_features, remarks
from barbershop_core.compositing.face_points import EYES, LIPS, NOSE
from barbershop_core.compositing.photograph import polygon
from barbershop_core.editing.photographs import photograph
from barbershop_core.editing.regions import FACE
from barbershop_core.errors import BadRequest, NoFaceFound

PHOTOS = Path(__file__).resolve().parents[1] / "assets" / "examples" / "photos"


@pytest.fixture(scope="module")
def faces():
    studio = Studio(open_pack("studio", device="cpu"), cache=False)
    names = ("astronaut", "girl-with-book", "mona-lisa")
    return {name: photograph(studio.pack, studio.read(PHOTOS / f"{name}.jpg"), size=256) for name in names}


def lab(image: np.ndarray, where: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(image, cv2.COLOR_RGB2LAB)[where].mean(0)


def skin(face) -> np.ndarray:
    """Surely skin, away from features and borders."""
    inner = cv2.erode(np.uint8(face.part("skin") > 0.9), np.ones((5, 5))) > 0
    for points in (*EYES, LIPS):
        inner &= polygon(face, points, 0.2) == 0
    return inner


def darkened(face, gain: tuple[float, float, float]):
    """The same face in another light."""
    return replace(face, image=face.image * np.float32(gain))


@pytest.mark.parametrize("regions", [FACE, ("nose",), ("eyes", "brows"), ("mouth",), ("skin",)])
def test_own_features_come_back(faces, regions):
    for face in faces.values():
        image, changed = carry_features(face, face, regions)
        assert image.dtype == changed.dtype == np.float32 and changed.max() > 0.9
        error = np.square(image - face.image)[changed > 0.5].mean()
        assert -10 * np.log10(error + 1e-12) > 30


def test_what_is_not_changed_is_untouched(faces):
    person, donor = faces["astronaut"], faces["mona-lisa"]
    for regions in (FACE, ("mouth",)):
        image, changed = carry_features(person, donor, regions)
        np.testing.assert_array_equal(image[changed == 0], person.image[changed == 0])
        assert changed[person.part("hair") > 0.95].max() < 0.2  # hair stays before the face
        assert changed[person.part("background") > 0.95].max() == 0


def test_a_swap_shows_the_donors_features_in_the_persons_tones(faces):
    for person, donor in ((faces["astronaut"], faces["girl-with-book"]), (faces["mona-lisa"], faces["astronaut"])):
        image, changed = carry_features(person, donor)
        same = skin(person) & (changed > 0.9)
        assert np.linalg.norm(lab(image, same) - lab(person.image, same)) < 4
        assert np.linalg.norm(lab(donor.image, skin(donor)) - lab(person.image, same)) > 8  # it was needed
        assert np.abs(image - person.image)[changed > 0.9].mean() > 0.03  # and it is another face


def test_the_donors_light_does_not_matter(faces):
    person, donor = faces["astronaut"], faces["girl-with-book"]
    plain, changed = carry_features(person, donor)
    other, _ = carry_features(person, darkened(donor, (0.7, 0.6, 0.5)))
    where = skin(person) & (changed > 0.9)
    assert np.abs(plain - other)[where].mean() < 0.02


@pytest.mark.parametrize(("region", "points"), [("nose", NOSE), ("mouth", LIPS)])
def test_a_single_feature_changes_only_its_surroundings(faces, region, points):
    person, donor = faces["astronaut"], faces["mona-lisa"]
    _, changed = carry_features(person, donor, [region])
    near = polygon(person, points, 0.5)
    assert changed[near == 0].max() == 0
    assert changed[polygon(person, points) > 0].mean() > 0.8


def test_hair_over_the_persons_face_stays(faces):
    person, donor = faces["astronaut"], faces["mona-lisa"]
    strand = np.zeros_like(person.parts["hair"])
    side = len(strand)
    column = round((person.mesh[50, 0] + 0.5) * side / person.size)  # down one cheek
    strand[:, column - 3 : column + 4] = 1
    parts = {name: plane * (1 - strand) for name, plane in person.parts.items()}
    parts["hair"] = np.maximum(parts["hair"], strand)
    image, changed = carry_features(replace(person, parts=parts), donor)
    covered = cv2.resize(strand, (person.size,) * 2) > 0.95
    np.testing.assert_array_equal(image[covered], person.image[covered])
    assert changed.max() > 0.9


def test_faces_that_look_elsewhere_are_named(faces):
    person = faces["astronaut"]
    assert remarks(person, person) == ()

    def turned(degrees: float):
        angle, middle = np.radians(degrees), person.mesh.mean(0)
        about = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
        return replace(person, mesh=np.float32((person.mesh - middle) @ about.T + middle))

    assert remarks(person, turned(35)) and remarks(turned(35), person)
    assert remarks(turned(30), turned(-30)) == ()  # its mirror image looks the same way


def test_mistakes_are_named(faces):
    person = faces["astronaut"]
    with pytest.raises(BadRequest, match="no part of a face"):
        carry_features(person, person, ["hair"])
    with pytest.raises(NoFaceFound, match="gives the face"):
        carry_features(person, replace(person, mesh=None), FACE)


def test_the_order_of_a_set_does_not_matter():
    """Python orders sets of strings anew in every process: its seed must not show in the picture."""
    script = """
import hashlib
from dataclasses import replace
from small_face import painted
from barbershop_core.barbershop.features import carry_features
person, donor = painted(side=96), painted(side=96)
donor = replace(donor, mesh=donor.mesh * (1, 1.2, 1) + donor.mesh[:, ::-1] ** 2 / 500)
print(hashlib.sha256(carry_features(person, donor, ("eyes", "nose", "mouth"))[0].tobytes()).hexdigest())
"""
    found = set()
    for seed in "02":
        paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
        env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": paths}
        made = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True)
        found.add(made.stdout)
    assert len(found) == 1
