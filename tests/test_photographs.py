"""Edits of photographs with the embedded pack, offline: the pixels are the photo's own, moved and changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from barbershop_core import Studio, open_pack, run
from barbershop_core.compositing.face_points import EYES, LIPS, NOSE
from barbershop_core.compositing.photograph import Photograph
from barbershop_core.editing import photographs
from barbershop_core.editing.photographs import detail_size, photograph
from barbershop_core.editing.regions import region_index
from barbershop_core.errors import NoFaceFound
from barbershop_core.evaluation.triples import triples
from barbershop_core.inversion.explained import limit, unexplained
from barbershop_core.photo.pixels import from_uint8

PHOTOS = Path(__file__).resolve().parents[1] / "assets" / "examples" / "photos"
NAMES = ("astronaut", "girl-with-book", "mona-lisa", "lady-agnew")


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    """The embedded pack with a cache of its own, without a network."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("BARBERSHOP_LANDMARKER", raising=False)
        patch.setenv("BARBERSHOP_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield Studio(open_pack("studio", device="cpu"))


@pytest.fixture(scope="module")
def portraits(studio):
    return {name: studio.read(PHOTOS / f"{name}.jpg") for name in NAMES}


def test_a_face_is_found_and_aligned_without_the_hub(portraits):
    astronaut = portraits["astronaut"]
    assert len(astronaut.found) == 1 and astronaut.image.shape == (128, 128, 3)
    left, top, right, bottom = astronaut.faces[0]
    assert 170 < left < right < 290 and 50 < top < bottom < 200  # where she looks out of her suit


def test_the_pack_explains_its_own_world_and_no_photograph(studio, portraits):
    most = limit(studio.pack)
    assert most == pytest.approx(0.21, abs=0.01)  # between 144 renders, up to .175, and 68 photographs, from .253 on
    for portrait in portraits.values():
        assert unexplained(studio.pack, portrait.tensor(128)) > most
    for triple in triples(4, 300, 128):
        assert unexplained(studio.pack, from_uint8(triple.face.image)) < most


def test_without_encoder_and_code_nothing_is_explained(studio, portraits, monkeypatch):
    image = portraits["astronaut"].tensor(128)
    monkeypatch.setattr(type(studio.pack), "encoder", None)
    assert unexplained(studio.pack, image) == float("inf")


def test_a_photograph_has_the_resolution_of_the_photo(studio, portraits):
    astronaut = portraits["astronaut"]
    found = photograph(studio.pack, astronaut)
    side = np.linalg.norm(astronaut.quad[1] - astronaut.quad[0])
    assert found.size == detail_size(astronaut, 128) == round(side) > 150
    assert np.abs(found.image * 255 - astronaut.at(found.size)).max() < 0.5
    assert found.mesh.shape == (478, 3) and {"hair", "skin", "background"} <= set(found.parts)
    # the points lie where the detector saw them in the whole photo
    right, down = astronaut.quad[3] - astronaut.quad[0], astronaut.quad[1] - astronaut.quad[0]
    share = (found.mesh[:, :2] + 0.5) / found.size
    placed = astronaut.quad[0] + share @ np.stack([right, down]) - 0.5
    assert np.linalg.norm(placed - astronaut.face.mesh, axis=1).mean() < 1.0


def furry(image: np.ndarray, mesh: np.ndarray, *outlines: tuple[int, ...]) -> np.ndarray:
    """A picture, uint8 [S,S,3], with fur over the parts of a face within outlines."""
    fur = np.random.default_rng(0).normal(0.6, 0.1, image.shape[:2])[..., None] * np.array([255, 190, 120])
    mask = np.zeros(image.shape[:2], np.uint8)
    for points in outlines:
        cv2.fillConvexPoly(mask, cv2.convexHull(np.int32(mesh[list(points), :2])), 1)
    mask = cv2.dilate(mask, np.ones((9, 9), np.uint8))[..., None]
    return np.uint8(np.where(mask, fur.clip(0, 255), image))


def test_an_animal_is_no_face(studio, portraits, monkeypatch):
    for portrait in portraits.values():  # paintings are
        assert photograph(studio.pack, portrait, margin=0.35).mesh is not None
    portrait = portraits["astronaut"]
    size = detail_size(portrait, 128)
    points = photographs.find_face(studio.pack, portrait.at(size))
    monkeypatch.setattr(photographs, "find_face", lambda pack, pixels: points)  # MediaPipe finds a dog's, too
    masked = replace(portrait, _crops={size: furry(portrait.at(size), points[0], NOSE, LIPS)})
    assert photograph(studio.pack, masked).mesh is not None
    dog = replace(portrait, _crops={size: furry(portrait.at(size), points[0], NOSE, LIPS, *EYES)})
    with pytest.raises(NoFaceFound, match="No human face .* clearly visible"):
        photograph(studio.pack, dog)


def test_a_margin_shows_more_of_the_photo_in_the_same_frame(studio, portraits):
    plain, wide = (photograph(studio.pack, portraits["astronaut"], margin=m) for m in (0.0, 0.25))
    assert wide.size == round(1.5 * plain.size)
    offset = (wide.size - plain.size) // 2
    inner = wide.image[offset : offset + plain.size, offset : offset + plain.size]
    assert np.abs(inner - plain.image).mean() < 0.02
    assert plain.known.min() == 1 and 0.5 < wide.known.mean() < 1  # the photo ends above her head


def test_a_smaller_photograph_keeps_its_points():
    image = np.linspace(0, 1, 64 * 64 * 3, dtype=np.float32).reshape(64, 64, 3)
    mesh = np.array([[0.5, 0.5, 4.0], [31.5, 31.5, 0.0]], np.float32)
    small = Photograph(image, np.ones((64, 64), np.float32), {}, mesh).resized(32)
    assert small.image.shape == (32, 32, 3)
    assert np.allclose(small.mesh, [[0, 0, 2], [15.5, 15.5, 0]])  # pixel centres stay where they are


@pytest.mark.slow
def test_hair_of_another_photo_at_the_photos_own_resolution(studio, portraits):
    face, girl = portraits["astronaut"], portraits["girl-with-book"]
    result = run(studio.transfer(face=face, hair_shape=girl, hair_color=girl))
    side = detail_size(face, 128)
    assert result.image.size == (side, side) and result.pasted.size == (512, 512)
    before, after = face.at(side).astype(int), np.asarray(result.image).astype(int)
    changed = result.masks["changed"]
    assert changed.shape == (side, side) and (before[changed == 0] == after[changed == 0]).all()
    hair = result.masks["hair"]
    assert 0.05 < hair.mean() < 0.4 and result.scores["iou"]["hair"] > 0.6
    assert result.scores["identity"] > 0.55  # of photographs of two people 1 pair in 100 is above .465
    assert result.code.space == "FS" and result.masks["target"].shape == (128, 128)
    # brown hair where blond hair was
    redder = np.asarray(result.image.resize((128, 128))).astype(int)[hair].mean(0)
    blond = np.asarray(photograph(studio.pack, face).part("hair", size=side) > 0.9)
    assert redder.mean() < before[blond].mean() - 20


@pytest.mark.slow
def test_edits_of_a_photograph_chain(studio, portraits):
    face, girl = portraits["astronaut"], portraits["girl-with-book"]
    hair = run(studio.transfer(face=face, hair_shape=girl, hair_color=girl, paste=False))
    words = run(studio.edit_text(face, "beard", neutral="no beard", previous=hair))
    assert words.image.size == hair.image.size == (detail_size(face, 128),) * 2
    one, two = (np.asarray(r.image).astype(int) for r in (hair, words))
    moved = np.abs(one - two).max(2) > 12
    assert moved[100:].mean() > 0.03 and moved[:60].mean() < 0.01  # the beard; the new hair stays
    assert (words.masks["changed"] >= hair.masks["changed"] - 1e-6).all()
    assert [step["operation"] for step in words.recipe["chain"]] == ["transfer"]


def test_a_rendered_portrait_is_still_drawn_by_the_generator(studio):
    triple = next(iter(triples(1, 301, 128)))
    face = studio.read(triple.face.image)
    result = run(studio.edit_text(face, "blond hair", neutral="hair", paste=False))
    assert result.image.size == (128, 128)


@pytest.mark.slow
def test_a_painted_mask_is_obeyed(studio, portraits):
    face, girl = portraits["astronaut"], portraits["girl-with-book"]
    mask = run(studio.target_mask(face=face, hair_shape=girl))
    hair = mask == region_index("hair")
    assert mask.shape == (256, 256) and mask.dtype == np.uint8 and 0.05 < hair.mean() < 0.4
    painted = np.where(hair & (np.arange(256) > 128)[None], 0, mask).astype(np.uint8)
    result = run(studio.transfer(face=face, hair_shape=girl, hair_color=girl, mask=painted, paste=False))
    left = result.masks["hair"][:, :56].sum()
    assert left > 0.6 * np.asarray(hair[::2, ::2])[:, :56].sum()
    assert result.masks["hair"][:, 76:].sum() < 0.05 * left
