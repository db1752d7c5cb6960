"""A hand in front of hair stays in front of hair: painted beside the cheek of photographs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from barbershop_core import Studio, open_pack
from barbershop_core.barbershop.carry import carry_hair
from barbershop_core.compositing.face_points import CHIN
from barbershop_core.compositing.hand import hand_before_hair
from barbershop_core.compositing.photograph import Photograph
from barbershop_core.compositing.skull import skull
from barbershop_core.editing.photographs import photograph

PHOTOS = Path(__file__).resolve().parents[1] / "assets" / "examples" / "photos"
NAMES = ("astronaut", "mona-lisa", "lady-agnew", "girl-with-book", "elizabeth-chanler", "la-velata")

GUESSED = {"hair": 0.5, "ears": 0.2, "skin": 0.3}


@pytest.fixture(scope="module")
def pack():
    return open_pack("studio", device="cpu")


@pytest.fixture(scope="module")
def photos(pack) -> dict[str, Photograph]:
    studio = Studio(pack, cache=False)
    return {name: photograph(pack, studio.read(PHOTOS / f"{name}.jpg")) for name in NAMES}


@pytest.fixture(scope="module")
def hand(photos) -> np.ndarray:
    """bool [S,S]: where the hand of :func:`leaning` is."""
    person = photos["astronaut"]
    unit, ear = person.eye_distance, person.mesh[234, :2]
    mask = np.zeros((person.size, person.size), np.uint8)
    for k in range(4):  # fingers from the wrist upwards
        tip = ear + np.multiply((-0.02 - 0.12 * k, -0.1 + 0.08 * k), unit)
        wrist = ear + np.multiply((0.1 - 0.04 * k, 1.1), unit)
        cv2.line(mask, np.int32(wrist).tolist(), np.int32(tip).tolist(), 1, round(0.16 * unit))
    return mask > 0


@pytest.fixture(scope="module")
def leaning(photos, hand) -> Photograph:
    """The astronaut with dark hair and a hand at her cheek, which a parser takes for hair, ears and skin."""
    person = photos["astronaut"]
    skin = person.image[person.part("skin") > 0.9]
    drawn = np.random.default_rng(0).normal(np.median(skin, 0), 0.02, person.image.shape)
    soft = cv2.GaussianBlur(np.float32(hand), (0, 0), 0.6)[..., None]
    dark = person.image * (1 - 0.8 * person.part("hair"))[..., None]
    image = np.float32(np.clip(dark + soft * (drawn - dark), 0, 1))
    taken = cv2.resize(soft[..., 0], person.parts["hair"].shape[::-1])
    parts = {name: part + taken * (GUESSED.get(name, 0) - part) for name, part in person.parts.items()}
    return replace(person, image=image, parts=parts)


def test_a_hand_is_found_and_nothing_else(photos, leaning, hand):
    found = hand_before_hair(leaning, skull(leaning)) > 0.5
    outside = hand & (leaning.part("skin") < 0.5)
    assert found[outside].mean() > 0.7
    x = np.arange(leaning.size) - leaning.mesh[CHIN, 0]
    assert not found[:, x > 0.6 * leaning.eye_distance].any()  # the neck below it may be taken for it, but not all
    for photo in photos.values():
        assert hand_before_hair(photo, skull(photo)) is None


def test_new_hair_lies_behind_it(photos, leaning, hand):
    changed = carry_hair(leaning, photos["mona-lisa"], None).image - leaning.image
    inner = cv2.erode(np.uint8(hand), np.ones((5, 5))) > 0
    assert np.abs(changed[inner]).mean() < 0.02
    assert np.abs(changed[leaning.part("hair") > 0.9]).mean() > 0.1
