"""The crop moved, turned and zoomed by hand: closed forms, pasting back, the recipe."""

from __future__ import annotations

import math

import numpy as np
import pytest
from small_pack import write_small_pack
from small_studio import picture
from tiny_presets import fast_is_tiny

from barbershop_core import Studio, jobs, open_pack, run
from barbershop_core.errors import BadRequest
from barbershop_core.photo import Nudge, paste_back, read

RNG = np.random.default_rng(0)


def square(turn: float = 0.3, side: float = 80.0) -> np.ndarray:
    """Corners of a turned square: upper left, lower left, lower right, upper right."""
    right, down = side * np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
    middle = np.array([100.0, 90.0])
    return np.stack([middle + u * right + v * down for u, v in ((-0.5, -0.5), (-0.5, 0.5), (0.5, 0.5), (0.5, -0.5))])


def shown_at(corners: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Where a crop shows a place of its source: shares of its side from the middle, to the right and down."""
    sides = np.stack([corners[3] - corners[0], corners[1] - corners[0]], axis=1)
    return np.linalg.solve(sides, place - corners.mean(0))


def some() -> Nudge:
    return Nudge(*RNG.uniform(-0.5, 0.5, 2), RNG.uniform(-45, 45), RNG.uniform(0.5, 2))


def test_what_the_crop_shows_is_turned_and_zoomed_about_its_middle_then_moved():
    for _ in range(20):
        nudge, corners, place = some(), square(RNG.uniform(-3, 3)), RNG.uniform(0, 200, 2)
        angle = math.radians(nudge.turn)
        clockwise = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        expected = nudge.zoom * clockwise @ shown_at(corners, place) + [nudge.x, nudge.y]
        assert np.allclose(shown_at(nudge.corners(corners), place), expected)


def test_a_nudge_of_nothing_is_none_and_opposite_ones_undo_each_other():
    corners = square()
    assert (Nudge().corners(corners) == corners).all() and not Nudge()
    assert Nudge.of({}) is Nudge.of({"x": 0, "zoom": 1.0}) is Nudge.of(None) is None
    for one, other in (({"x": 0.2}, {"x": -0.2}), ({"turn": 30}, {"turn": -30}), ({"zoom": 1.25}, {"zoom": 0.8})):
        assert np.allclose(Nudge.of(other).corners(Nudge.of(one).corners(corners)), corners)
    quarters = Nudge(turn=45)
    twice = quarters.corners(quarters.corners(corners))
    assert np.allclose(twice, np.roll(corners, -1, axis=0)) or np.allclose(twice, np.roll(corners, 1, axis=0))


@pytest.mark.parametrize("given", [{"x": 0.6}, {"zoom": 0}, {"turn": float("nan")}, {"size": 3}, "left", {"y": "a"}])
def test_what_is_no_nudge_is_refused_in_a_sentence(given):
    with pytest.raises(BadRequest):
        Nudge.of(given)


def test_an_edit_of_a_nudged_crop_is_pasted_back_where_it_shows():
    photo = picture(5, 200)
    plain = read(photo, 64)
    assert read(photo, 64, nudge=Nudge()).digest == plain.digest and plain.nudge is None
    nudge = Nudge(x=0.1, y=-0.05, turn=20, zoom=1.6)
    nudged = read(photo, 64, nudge=nudge)
    assert nudged.nudge == nudge and nudged.digest != plain.digest and nudged.image.shape == (64, 64, 3)

    # the crop shows the photo's own pixels
    u, v = 40, 22  # a pixel of the crop
    right, down = nudged.quad[3] - nudged.quad[0], nudged.quad[1] - nudged.quad[0]
    x, y = nudged.quad[0] + (u + 0.5) / 64 * right + (v + 0.5) / 64 * down
    assert np.abs(nudged.image[v, u].astype(int) - np.asarray(photo)[int(y), int(x)]).max() < 12

    edited, changed = nudged.image.copy(), np.zeros((64, 64), np.float32)
    edited[v - 2 : v + 3, u - 2 : u + 3] = (255, 0, 0)
    changed[v - 2 : v + 3, u - 2 : u + 3] = 1
    pasted = paste_back(nudged, edited, changed).astype(int)
    moved = np.argwhere(np.abs(pasted - np.asarray(photo)).max(2) > 100)[:, ::-1]
    assert np.abs(moved.mean(0) + 0.5 - [x, y]).max() < 1
    assert np.abs(moved + 0.5 - [x, y]).max() < 3 * np.hypot(*right) / 64 * math.sqrt(2)


def test_what_lies_outside_of_the_photo_is_filled_in_and_said():
    notices = read(picture(6, 64), 64, nudge=Nudge(x=0.5)).notices
    assert any("50 % of the portrait lies outside" in notice for notice in notices)
    assert not any("outside" in notice for notice in read(picture(6, 64), 64, nudge=Nudge(zoom=1.5)).notices)


def test_the_recipe_tells_the_nudge_and_a_picture_is_repeated_with_it(tmp_path, monkeypatch):
    fast_is_tiny(monkeypatch)
    studio = Studio(open_pack(write_small_pack(tmp_path / "pack")), cache=False)
    me, friend, nudge = picture(8, 120), picture(9, 120), {"x": 0.05, "turn": -10.0, "zoom": 1.2}
    made = run(jobs.start(studio, "transfer", {"face": (me, None, nudge), "hair_shape": friend})).value
    assert made.recipe["photos"]["face"]["nudge"] == Nudge(**nudge).numbers
    assert "nudge" not in made.recipe["photos"]["hair_shape"]
    again = run(jobs.replay(studio, made.recipe, [friend, me])).value
    assert (np.asarray(again.pasted) == np.asarray(made.pasted)).all() and again.recipe == made.recipe
    plain = run(studio.transfer(face=studio.read(me), hair_shape=studio.read(friend)))
    assert (np.asarray(plain.image) != np.asarray(made.image)).any()
    same = run(studio.transfer(face=studio.read(me, nudge=nudge), hair_shape=studio.read(friend)))
    assert (np.asarray(same.image) == np.asarray(made.image)).all()
