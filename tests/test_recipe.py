"""Recipes: what a PNG carries, and that the ones of format 1 still repeat."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from small_pack import write_small_pack
from small_rigged import add_rig
from small_studio import picture
from small_words import add_words
from tiny_presets import fast_is_tiny

from barbershop_core import Studio, jobs, open_pack, run
from barbershop_core.editing import recipe
from barbershop_core.editing.recipe import read as read_recipe
from barbershop_core.errors import BadRequest

FOLDER = Path(__file__).parent / "recipes"  # written by version 0.1.0, on photos picture(1) to picture(4)
OPERATIONS = {
    "format1-hair": ["transfer"],
    "format1-chain": ["transfer", "swap_face", "edit_text", "edit_text", "repose"],
    "format1-rig": ["repose"],
    "format1-python": ["transfer"],
}
SAME_PICTURE = ("format1-python",)
"""Whose methods are the same as in 0.1.0; since then, colours are blended by clamped shares, and the rig follows what
it reads of an expression half-way."""


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    manifest = add_rig(add_words(write_small_pack(tmp_path_factory.mktemp("recipes") / "pack")))
    return Studio(open_pack(manifest, device="cpu"), cache=False)


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_recipe_of_format_1_repeats(studio, name, monkeypatch):
    fast_is_tiny(monkeypatch)
    path = FOLDER / f"{name}.png"
    old = read_recipe(path)
    assert [step["operation"] for step in recipe.steps(old)] == OPERATIONS[name]
    assert all(step["format"] == recipe.FORMAT for step in recipe.steps(old))
    again = run(jobs.replay(studio, old, [picture(seed) for seed in (4, 3, 2, 1)])).value
    for before, now in zip(recipe.steps(old), recipe.steps(again.recipe)):
        given = {k: v for k, v in before["options"].items() if v not in (None, {}) and k != "mask"}
        assert {k: now["options"][k] for k in given} == given
    same_pack = old["versions"]["torch"].split("+")[0] == torch.__version__.split("+")[0]  # its weights are random
    if same_pack and name in SAME_PICTURE:
        shown, stored = np.asarray(again.image, np.int16), np.asarray(Image.open(path), np.int16)
        assert np.abs(shown - stored).max() <= 1


def test_a_damaged_mask_is_a_sentence():
    with pytest.raises(BadRequest, match="mask in the recipe"):
        recipe.options_of({"operation": "transfer", "options": {"mask": "bm90IGEgcGljdHVyZQ=="}})
