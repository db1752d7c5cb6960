"""Words on photographs with the embedded pack: what they change, what they move, what they say they cannot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from barbershop_core import Studio, open_pack, run
from barbershop_core.compositing.face_points import EYES, LIPS
from barbershop_core.compositing.photograph import polygon
from barbershop_core.editing.photo_edit import HAIR_STAYS, PhotoEdit
from barbershop_core.editing.photographs import find_face, photograph
from barbershop_core.inversion.codes import Code
from barbershop_core.inversion.project import project
from barbershop_core.styleclip import prompts, resources
from barbershop_core.styleclip.directions import boundary, channel_weights

PHOTOS = Path(__file__).resolve().parents[1] / "assets" / "examples" / "photos"
SIDE = 256


@pytest.fixture(scope="module")
def pack():
    return open_pack("studio", device="cpu")


@pytest.fixture(scope="module")
def edit(pack):
    portrait = Studio(pack, cache=False).read(PHOTOS / "astronaut.jpg")
    code = Code("W+", project(pack, portrait.tensor(pack.working_size)))
    return PhotoEdit(pack, photograph(pack, portrait, size=SIDE), code)


@pytest.fixture(scope="module")
def code(pack, edit):
    """Codes by words."""
    clip, table = run(resources.clip(pack)), run(resources.table(pack))

    def of(target: str, neutral: str, alpha: float = 3.0) -> Code:
        weights = channel_weights(table, prompts.direction(clip, target, neutral), 0.15)
        return replace(edit.code, shift=alpha * boundary(table, weights)[None])

    return of


def lab(image: np.ndarray, where: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(image, cv2.COLOR_RGB2LAB)[where].mean(0)


def sure(edit, *names: str) -> np.ndarray:
    return cv2.erode(np.uint8(edit.photograph.part(*names) > 0.9), np.ones((5, 5))) > 0


def test_without_an_edit_the_photograph_stays(edit):
    image, changed = edit(edit.code)
    assert not changed.any()
    np.testing.assert_array_equal(image, edit.photograph.image)


def test_a_colour_of_hair_changes_hair_alone(edit, code):
    image, changed = edit(code("black hair", "hair"))
    hair = sure(edit, "hair")
    assert lab(image, hair)[0] < lab(edit.photograph.image, hair)[0] - 10
    for part in ("skin", "eyes", "mouth"):
        assert np.abs(image - edit.photograph.image)[sure(edit, part)].mean() < 0.002
    assert edit.remarks(code("black hair", "hair")) == ()


def test_glasses_are_added_around_the_eyes(edit, code):
    image, changed = edit(code("glasses", "no glasses"))
    darker = lab(edit.photograph.image, changed > 0.9)[0] - lab(image, changed > 0.9)[0]
    assert (changed > 0.9).sum() > 100 and darker > 15
    around = np.maximum(*(polygon(edit.photograph, points, 0.4) for points in EYES)) > 0
    assert changed[~around].sum() < 0.05 * changed.sum()


def test_a_smile_moves_mouth_and_eyes_and_nothing_else(pack, edit, code):
    image, changed = edit(code("smiling person", "person"))
    after = find_face(pack, np.uint8(np.rint(image * 255)))[2]
    smile = ("mouthSmileLeft", "mouthSmileRight")
    before = edit.photograph.blendshapes
    if min(before[name] for name in smile) < 0.7:  # else there is no more to smile
        assert all(after[name] > before[name] for name in smile)
    far = np.maximum.reduce([polygon(edit.photograph, points, 0.8) for points in (LIPS, *EYES)]) == 0
    assert changed[far].sum() < 0.05 * changed.sum()


def test_an_open_mouth_opens(pack, edit, code):
    image, _ = edit(code("an open mouth", "a closed mouth"))
    after = find_face(pack, np.uint8(np.rint(image * 255)))[2]
    assert after["jawOpen"] > edit.photograph.blendshapes["jawOpen"] + 0.1


@pytest.mark.parametrize(("target", "neutral"), [("long hair", "short hair"), ("a fringe", "no fringe")])
def test_what_photos_cannot_show_is_said(edit, code, target, neutral):
    assert edit.remarks(code(target, neutral)) == (HAIR_STAYS,)


def test_previews_look_like_results(edit, code):
    blond = code("blond hair", "hair")
    large, small = edit(blond)[0], edit(blond, 128)[0]
    shrunk = cv2.resize(large, (128, 128), interpolation=cv2.INTER_AREA)
    assert small.shape == (128, 128, 3) and np.abs(shrunk - small).mean() < 0.02
