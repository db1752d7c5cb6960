"""What an edit cannot do is said before it is made."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from small_face import painted
from small_studio import portrait
from tiny_presets import fast_is_tiny

from barbershop_core import run
from barbershop_core.editing import beforehand, chain
from barbershop_core.errors import BadRequest
from barbershop_core.styleclip import edit_text, known_words, resources
from barbershop_core.styleclip.named_regions import told_beforehand

PHRASES = ("a person", "blond hair", "green eyes", "a smile", "smiling person")


@pytest.fixture(scope="module")
def photo():
    return painted(side=64)


def wearing(photo, name: str, share: float):
    plane = np.zeros((64, 64), np.float32)
    plane[: round(64 * share)] = 1
    return replace(photo, parts={**photo.parts, name: plane})


def test_nothing_is_said_of_a_plain_photograph(photo):
    for kind in (beforehand.HAIR, beforehand.FACE, beforehand.WORDS, beforehand.POSE):
        assert beforehand.of_photograph(photo, kind, None) == []


def test_a_hat_hides_hair(photo):
    capped = wearing(photo, "hat", 0.1)
    assert "on the head" in beforehand.of_photograph(capped, beforehand.HAIR)[0]
    assert "on the head" in told_beforehand(capped, "curly hair")[0]
    assert told_beforehand(capped, "a smile") == [] and beforehand.of_photograph(capped, beforehand.POSE) == []


def test_cloth_that_is_taken_for_hair(photo):
    """A parser that is sure of hair, and yet thinks of a hat in places."""
    hair = np.zeros((64, 64), np.float32)
    hair[:20] = 0.9
    combed = replace(photo, parts={**photo.parts, "hair": hair})
    wrapped = replace(combed, parts={**combed.parts, "hat": 0.03 * (hair > 0)})
    for kind, said in ((beforehand.HAIR, 1), (beforehand.FACE, 0), (beforehand.POSE, 0)):
        assert beforehand.of_photograph(combed, kind) == []
        assert ["looks like hair" in notice for notice in beforehand.of_photograph(wrapped, kind)] == [True] * said
    assert "looks like hair" in told_beforehand(wrapped, "red hair")[0]


def test_two_heads_that_are_turned_apart():
    front, left, right = (painted((turn, 0, 0), side=64) for turn in (0, 30, -30))
    for person, reference in ((left, front), (front, right)):
        assert "turned 30 degrees apart" in beforehand.of_two(person, reference)[0]
    for person, reference in ((front, front), (left, left), (left, right)):  # a mirror turns hair
        assert beforehand.of_two(person, reference) == []


@pytest.mark.parametrize(("turn", "said"), [((20.0, 0, 0), 0), ((-45.0, 0, 0), 1), ((0.0, 40.0, 0), 1)])
def test_a_head_turned_far(turn, said):
    turned = painted(turn, side=64)
    for kind in (beforehand.HAIR, beforehand.FACE, beforehand.POSE):
        found = beforehand.of_photograph(turned, kind, who="the hair photo")
        assert len(found) == said and all("turned by 4" in notice and "the hair photo" in notice for notice in found)


@pytest.mark.parametrize("text", ["no glasses", "a person without glasses", "remove the eyeglasses"])
def test_glasses_stay_on_photographs(photo, text):
    worn = wearing(photo, "glasses", 0.1)
    assert "cannot be taken off" in told_beforehand(worn, text)[-1]
    assert "nothing to take off" in told_beforehand(photo, text)[-1]
    assert told_beforehand(worn, "glasses") == []


def test_it_is_told_before_the_photograph_is_embedded(photo, small_pack, monkeypatch):
    """The first steps of opening a portrait, and its result."""
    from types import SimpleNamespace

    capped = replace(wearing(photo, "hat", 0.1), mesh=photo.mesh)
    asked = SimpleNamespace(portrait=portrait(1), previous=None)
    monkeypatch.setattr(type(small_pack), "landmarker", "a file", raising=False)
    monkeypatch.setattr(chain, "explains", lambda *about: False)
    monkeypatch.setattr(chain.photographs, "photograph", lambda *about: capped)
    steps = chain.opened(small_pack, asked, None, lambda found: told_beforehand(found, "red hair"))
    assert "on the head" in next(steps).notice
    monkeypatch.setattr(chain.photographs, "photograph", lambda *about: replace(capped, mesh=None))
    assert "no face points" in next(chain.opened(small_pack, asked, None)).notice


# --- words ------------------------------------------------------------------------------------


def test_sliders_tell_it_before_the_portrait_is_opened(studio, monkeypatch):
    fast_is_tiny(monkeypatch)
    monkeypatch.setattr(resources, "captions", lambda pack: PHRASES)
    edits = [{"target": "a pirate with green mohawk", "neutral": ""}]
    steps = edit_text.unread(studio.pack, edits)
    assert "“pirate” and “mohawk”" in next(steps).notice


def test_nonsense_is_out_of_reach(studio, monkeypatch):
    monkeypatch.setattr(known_words, "reading", lambda *about: (["green eyes"], 0.99))
    clip = run(resources.clip(studio.pack))
    told = known_words.remark("studio", clip, PHRASES, "a pirate with green mohawk", "face")
    assert "out of its reach" in told and "green eyes" in told
    assert "out of its reach" not in known_words.remark("studio", clip, PHRASES, "a big smile and blond hair", "face")


# --- a mapper again and again -----------------------------------------------------------------


def test_a_mapper_on_its_own_result_is_bounded(studio, monkeypatch):
    fast_is_tiny(monkeypatch)
    once = run(studio.edit_text(portrait(1), "curly hair", "mapper", strength=2.0))
    steps = []
    twice = run(studio.edit_text(portrait(1), "Curly_hair", "mapper", previous=once, strength=2.0), steps.append)
    assert twice.recipe["options"]["strength"] == 1.0
    assert "strength 1" in steps[0].notice and steps[0].notice in twice.notices
    with pytest.raises(BadRequest, match="strength 3 already.*Go back"):
        run(studio.edit_text(portrait(1), "curly hair", "mapper", previous=twice, strength=0.5))
    back = run(studio.edit_text(portrait(1), "curly hair", "mapper", previous=twice, strength=-3.0))
    assert back.recipe["options"]["strength"] == -3.0
