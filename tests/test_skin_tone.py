"""No edit that does not name skin changes its tone: on the darkest and the lightest faces, rendered and photographed.

The tone is the mean Lab colour of the pixels that show skin before and after; other light may shade them, which scales
L + 16, a and b alike, and does not count.
"""

from __future__ import annotations

import numpy as np
import pytest

from barbershop_core import Studio, open_pack, run
from barbershop_core.editing.photographs import detail_size
from barbershop_core.evaluation.held_out import POSES, held_out
from barbershop_core.evaluation.looks import look, skin_shift
from barbershop_core.inversion.cache import CodeCache
from barbershop_core.world import params
from barbershop_core.world.render import render

MOST = 3.0
PEOPLE = held_out(40, 1, POSES + 9000)[:, 0]
BY_TONE = PEOPLE[np.argsort(PEOPLE[:, params.INDEX["skin_tone"]])]
LIGHT, MIDDLE, DARK = BY_TONE[1], BY_TONE[20], BY_TONE[-2]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    return Studio(open_pack("studio", device="cpu"), CodeCache(tmp_path_factory.mktemp("codes")))


def other_light(session) -> dict[str, float]:
    """From the side where the portrait's own does not come from, as warm as that."""
    return {"azimuth": -50.0 if session.light.azimuth > 0 else 50.0, "warmth": session.light.warmth}


def shifts(studio, portrait, reference) -> dict[str, float]:
    """How far each kind of edit moves the tone of the skin, in Lab."""
    session = run(studio.rig(portrait))
    turn = -10.0 if session.angles[0] > 0 else 10.0
    words = {"paste": False}
    edits = {
        "light": session.result(light=other_light(session)),
        "pose": session.result(yaw=turn),
        "words": studio.edit_text(portrait, "smiling person", neutral="person", **words),
        "words for hair": studio.edit_text(portrait, "blond hair", neutral="hair", **words),
        "mapper": studio.edit_text(portrait, "blond hair", "mapper", **words),
        "hair": studio.transfer(portrait, hair_shape=reference, hair_color=reference, paste=False),
    }
    before = look(studio.pack, portrait.at(detail_size(portrait, studio.pack.working_size)))
    found = {}
    for name, steps in edits.items():
        after = look(studio.pack, np.asarray(run(steps).image))
        found[name] = skin_shift(before, after, shading=name == "light", kept=True)
    return found


@pytest.mark.parametrize("person", [DARK, LIGHT], ids=["dark", "light"])
def test_on_rendered_portraits(studio, person):
    portrait, reference = (studio.read(render(p, 128).image) for p in (person, MIDDLE))
    found = shifts(studio, portrait, reference)
    assert max(found.values()) < MOST, found


@pytest.mark.parametrize("name", ["portrait_obama.jpg", "aligned_16.jpg"])
def test_on_photographs(studio, photos, name):
    found = shifts(studio, studio.read(photos / name), studio.read(photos / "astronaut.png"))
    assert max(found.values()) < MOST, found


def test_a_lighter_skin_would_be_noticed(studio):
    portrait = studio.read(render(DARK, 128).image)
    picture = portrait.at(512)
    before = look(studio.pack, picture)
    lighter = np.where(before.mask("skin", "nose")[..., None], np.clip(picture + 25.0, 0, 255), picture).astype(
        np.uint8
    )
    assert skin_shift(before, look(studio.pack, lighter), kept=True) > MOST
