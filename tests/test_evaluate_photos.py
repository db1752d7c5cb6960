"""Edits of photographs, measured: a perfect edit scores perfectly, a moved photo is known, failures are said."""

from __future__ import annotations

import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tiny_presets import TINY_PIE

from barbershop_core import Studio, run
from barbershop_core.editing.regions import region_index
from barbershop_core.errors import BadRequest
from barbershop_core.evaluation import looks, photo_rows, photos
from barbershop_core.evaluation.looks import Look
from barbershop_core.evaluation.moved_photo import moved_photo, still_seen
from barbershop_core.evaluation.tables import NothingScored
from barbershop_core.evaluation.triples import triples
from barbershop_core.photo import Portrait
from barbershop_core.photo.crop import box_corners
from barbershop_core.pie import pie_presets


@pytest.fixture
def folder(tmp_path):
    """Two portraits, a file that is no picture, and notes."""
    for number, triple in enumerate(triples(2, 4, 64)):
        Image.fromarray(triple.face.image).save(tmp_path / f"{number}.png")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    (tmp_path / "notes.txt").write_text("no photo")
    return tmp_path


def portrait(seed: int = 0, side: int = 96) -> Portrait:
    noise = np.random.default_rng(seed).integers(0, 200, (12, 16, 3), np.uint8)
    source = np.array(Image.fromarray(noise).resize((128, 112), Image.Resampling.BICUBIC))
    quad = box_corners(20, 10, 20 + side, 10 + side)
    return Portrait(source[10 : 10 + side, 20 : 20 + side], source, quad)


def seen(picture: np.ndarray, region: str = "skin", **more) -> Look:
    """A picture, uint8 [512,512,3], with one region on its left half."""
    regions = torch.zeros(512, 512, dtype=torch.long)
    regions[:, :256] = region_index(region)
    return Look(picture, regions, torch.tensor([1.0]), **more)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_what_the_moved_photo_shows_is_known(seed):
    """By warping a photo of ones there and back."""
    person = portrait(side=90)
    pixels, matrix = moved_photo(person, np.random.default_rng(seed))
    assert pixels.shape == person.source.shape and pixels.dtype == np.uint8
    shown = still_seen(person, matrix, pixels.shape[:2], 90)
    ones = np.ones(pixels.shape[:2], np.float32)
    back = cv2.warpAffine(ones, matrix, ones.shape[::-1], flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    wanted = back[10:100, 20:110]
    assert (shown[wanted > 0.999]).mean() > 0.98 and not shown[wanted < 0.5].any()


def test_the_moved_photo_is_the_photo_moved_and_brightened():
    person, rng = portrait(3), np.random.default_rng(5)
    pixels, matrix = moved_photo(person, rng)
    back = cv2.warpAffine(pixels, matrix, pixels.shape[1::-1], flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP)
    where = still_seen(person, matrix, pixels.shape[:2], 96)
    ours, right = back[10:106, 20:116][where].astype(float), person.image[where].astype(float)
    gain = (ours * right).sum() / (right * right).sum()
    assert 0.8 <= gain <= 1.25
    assert np.abs(ours / gain - right).mean() < 3
    again, same = moved_photo(person, np.random.default_rng(5))
    assert (again == pixels).all() and (same == matrix).all()


def test_other_light_of_the_same_colour_is_no_shift_of_the_skin():
    grey = np.full((512, 512, 3), (180, 130, 110), np.uint8)
    linear = ((grey / 255 + 0.055) / 1.055) ** 2.4 * 0.6
    darker = np.rint((1.055 * linear ** (1 / 2.4) - 0.055) * 255).astype(np.uint8)
    before, after = seen(grey), seen(darker)
    assert looks.skin_shift(before, after) > 8
    assert looks.skin_shift(before, after, shading=True) < 0.5
    assert looks.skin_shift(before, seen(grey[..., ::-1].copy()), shading=True) > 8
    assert looks.skin_shift(before, seen(grey, "hair")) is None


def test_skin_that_is_covered_does_not_shift_what_is_kept():
    picture = np.full((512, 512, 3), 200, np.uint8)
    picture[:, 128:] = 120  # half of the face is in the shade
    before, covered = seen(picture), seen(picture)
    covered.regions[:, 128:] = region_index("hair")
    assert looks.skin_shift(before, covered) > 8
    assert looks.skin_shift(before, covered, kept=True) == 0
    brighter = seen(np.uint8(picture * 1.2))
    assert looks.skin_shift(before, brighter, kept=True) == looks.skin_shift(before, brighter) > 8


def test_outside_change_counts_what_lies_away_from_both_regions():
    picture = np.zeros((512, 512, 3), np.uint8)
    changed = picture.copy()
    changed[:, :256] = 200
    changed[:, 400:] = 10
    assert looks.outside_change(seen(picture), seen(changed), "skin") == pytest.approx(
        10 * 112 / (256 - looks.NEAR), rel=0.01
    )
    assert looks.outside_change(seen(picture), seen(picture), "skin", "background") is None


def test_points_and_angles_are_measured_between_eyes_and_in_degrees():
    points = np.zeros((478, 2))
    points[263, 0] = 100.0
    blank = np.zeros((512, 512, 3), np.uint8)
    before = seen(blank, points=points, yaw=-3.0, pitch=2.0)
    after = seen(blank, points=points + [3, 4], yaw=9.0, pitch=1.5)
    assert looks.points_moved(before, after) == pytest.approx(0.05)
    assert looks.turned(before, after) == (12.0, -0.5)
    assert looks.points_moved(before, seen(blank)) is None and looks.turned(seen(blank), after) is None


def test_giving_back_the_photo_is_perfect(rigged_pack, folder, monkeypatch):
    def unchanged(self, face, **_):
        yield from ()
        return SimpleNamespace(image=Image.fromarray(photo_rows.full(self, face)))

    monkeypatch.setattr(Studio, "transfer", unchanged)
    monkeypatch.setattr(photo_rows, "look", lambda *given: _half_hair(looks.look(*given)))
    steps = []
    table = run(
        photos.photos(rigged_pack, folder, rows=("own hair", "other hair"), sheet=folder / "s.png"), steps.append
    )
    json.dumps(table)
    assert (table["photos"], table["scored"]) == (3, 2)
    assert [f["photo"] for f in table["failures"]] == ["broken.jpg"]
    own, other = table["rows"]["own hair"], table["rows"]["other hair"]
    assert own["psnr"] == 100 and own["texture"] == 1 and own["correlation"] == 1 and own["colour"] == 0
    assert own["skin"] == own["skin_dark"] == own["skin_light"] == own["outside"] == 0
    assert own["identity"] == pytest.approx(1, abs=1e-4)
    assert other["colour"] > 1 and "correlation" not in other and "landmarks" not in other  # no MediaPipe here
    assert [s.index for s in steps if s.stage == "photo"] == [1, 2, 3]
    with Image.open(folder / "s.png") as sheet:
        assert sheet.size == (3 * 256, 16 + 2 * 256)


def _half_hair(found: Look) -> Look:
    regions = torch.full_like(found.regions, region_index("skin"))
    regions[:256], regions[448:] = region_index("hair"), region_index("background")
    return Look(found.picture, regions, found.who)


def test_rig_and_words_on_a_tiny_pack(rigged_pack, folder, monkeypatch):
    monkeypatch.setitem(pie_presets.PRESETS, "fast", TINY_PIE)
    (folder / "1.png").unlink()
    rows = ("other hair", "yaw 12", "light", "smiling")
    table = run(photos.photos(rigged_pack, folder, limit=2, rows=rows))  # broken.jpg and one photo
    assert set(table["rows"]) == set(rows)
    why = {f.get("row"): f["why"] for f in table["failures"]}
    assert set(why) == {None, "other hair"} and "no other photo" in why["other hair"]
    assert [d["row"] for d in table["details"]] == ["yaw 12", "light", "smiling"]
    for detail in table["details"]:
        assert detail["seconds"] >= 0 and -1 <= detail["identity"] <= 1.0001
    assert "opens" in table["rows"]["light"] and "degrees" not in table["rows"]["yaw 12"]  # no MediaPipe here


def test_a_defect_of_one_edit_is_a_sentence(rigged_pack, folder, monkeypatch):
    monkeypatch.setattr(Studio, "transfer", lambda *_, **__: 1 / 0)
    steps = []
    with pytest.raises(NothingScored, match="None of the 2 photos"):
        run(photos.photos(rigged_pack, folder, rows=("own hair",), limit=2), steps.append)
    assert any("0.png, own hair: ZeroDivisionError" in step.notice for step in steps)


@pytest.mark.parametrize("wrong", [{"rows": ("nose",)}, {"rows": ()}, {"limit": 0}])
def test_bad_arguments_are_refused_at_once(rigged_pack, folder, wrong):
    with pytest.raises(BadRequest):
        photos.photos(rigged_pack, folder, **wrong)
    with pytest.raises(BadRequest, match="no photos"):
        photos.photos(rigged_pack, folder / "absent")
