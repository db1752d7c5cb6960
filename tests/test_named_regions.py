"""Words about hair change hair, words about the face the face, by every method; a switch lifts the limit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from barbershop_core import Studio, open_pack, run
from barbershop_core.compositing.retouch import Retouch
from barbershop_core.editing.photographs import photograph
from barbershop_core.editing.recipe import options_of
from barbershop_core.editing.regions import FACE, region_index
from barbershop_core.styleclip import latent_optimization
from barbershop_core.styleclip.named_regions import joined, named_regions
from barbershop_core.weights.assets import suggestions

EXAMPLES = Path(__file__).resolve().parents[1] / "assets" / "examples"
HAIR, WHOLE_FACE = ("hair",), (*FACE, "ears", "neck")


@pytest.mark.parametrize(
    ("target", "neutral", "regions"),
    [
        ("red hair", "hair", HAIR),
        ("straight-haired person", "", HAIR),
        ("a blonde woman", "", None),  # a woman is more than her hair
        ("Bangs!", "no fringe", HAIR),
        ("smiling person", "person", WHOLE_FACE),
        ("person wearing glasses", "", WHOLE_FACE),
        ("facial hair", "", WHOLE_FACE),
        ("long", "short hair", HAIR),
        ("a beard and curly hair", "", HAIR + WHOLE_FACE),
        ("a red background", "", ("background",)),
        ("light from the left", "", None),
        ("an old person", "", None),
        ("Mark Zuckerberg", "", None),
        ("", "", None),
    ],
)
def test_what_words_are_about(target, neutral, regions):
    assert named_regions(target, neutral) == regions


def test_every_suggestion_names_a_region():
    assert all(named_regions(row["prompt"], row["neutral"]) in (HAIR, WHOLE_FACE) for row in suggestions())


def test_edits_together_may_change_what_each_of_them_may():
    assert joined([HAIR, WHOLE_FACE, HAIR]) == HAIR + WHOLE_FACE
    assert joined([HAIR, None]) is None and joined([]) == ()


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    from barbershop_core.inversion.cache import CodeCache

    return Studio(open_pack("studio", device="cpu"), CodeCache(tmp_path_factory.mktemp("codes")))


@pytest.fixture(scope="module")
def rendered(studio):
    return studio.read(EXAMPLES / "2-face.png")


def outside(studio, portrait, pictures, *regions: str) -> np.ndarray:
    """Pixels [R,R] of which no picture shows, or nearly shows, one of the regions."""
    shown = np.zeros((portrait.size, portrait.size), bool)
    for picture in pictures:
        labels = studio.parse(studio.read(picture))
        shown |= np.isin(labels, [region_index(name) for name in regions])
    return cv2.dilate(np.uint8(shown), np.ones((9, 9))) == 0


@pytest.mark.parametrize("method", ["directions", "optimize", "mapper"])
def test_red_hair_leaves_skin_and_background_of_a_rendered_portrait(studio, rendered, method, monkeypatch):
    quick = replace(latent_optimization.FAST, steps=3, warm=6.0, identity=0.0, l2=0.0)
    monkeypatch.setitem(latent_optimization.PRESETS, "fast", quick)
    prompt = "blond hair" if method == "mapper" else "red hair"
    asked = {"neutral": "hair", "alpha": 8.0, "beta": 0.05, "strength": 3.0, "paste": False}
    made = {
        where: np.asarray(run(studio.edit_text(rendered, prompt, method, where=where, **asked)).image)
        for where in ("named", "everywhere")
    }
    before = rendered.at(len(made["named"]))
    beside = outside(studio, rendered, (before, made["named"]), "hair")
    assert beside.mean() > 0.3
    changed = {where: np.abs(image.astype(int) - before).max(-1) for where, image in made.items()}
    assert changed["named"].max() > 40, "the hair changes"
    assert changed["named"][beside].max() <= 1
    assert changed["everywhere"][beside].max() > 8, "and more would"


def test_a_photograph_changes_only_in_what_is_named(studio):
    portrait = studio.read(EXAMPLES / "photos" / "astronaut.jpg")
    photo = photograph(studio.pack, portrait, size=256)
    retouch = Retouch(photo, photo)
    after = np.clip(photo.image * [1.3, 0.8, 0.5] + [0.1, 0.0, 0.0], 0, 1).astype(np.float32)  # all turns orange
    everything, hair, face = (retouch(after, within=regions)[1] > 0.5 for regions in (None, HAIR, WHOLE_FACE))
    strands, skin = (cv2.erode(np.float32(photo.part(name) > 0.9), np.ones((7, 7))) > 0 for name in ("hair", "skin"))
    assert everything[strands].mean() > 0.9 and everything[skin].mean() > 0.9
    assert hair[strands].mean() > 0.9 and not hair[skin].any()
    assert face[skin].mean() > 0.9 and not face[strands].any()


def test_recipes_from_before_this_option_are_repeated_as_they_were_made():
    assert options_of({"operation": "edit_text", "options": {"prompt": "red hair"}})["where"] == "everywhere"
    told = {"operation": "edit_text", "options": {"prompt": "red hair", "where": "named"}}
    assert options_of(told)["where"] == "named"
