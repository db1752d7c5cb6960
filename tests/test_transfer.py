"""The composite as a whole, on tiny random networks: what changes, what must not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_studio import PUBLISHED_TINY, SIDE, TINY, portrait

from barbershop_core.barbershop import transfer_presets as presets
from barbershop_core.editing.regions import FACE, REGIONS, region_index
from barbershop_core.progress import run

HAIR, SKIN = region_index("hair"), region_index("skin")


def drawn(hair_rows: int) -> np.ndarray:
    """A painted mask: background, a face, hair in the upper rows."""
    labels = np.zeros((SIDE, SIDE), np.uint8)
    labels[20:56, 16:48] = SKIN
    labels[:hair_rows, 8:56] = HAIR
    return labels


def test_presets_hold_the_published_numbers():
    released = presets.RELEASED
    assert (released.mask_steps, released.align_steps, released.align_style_steps) == (160, 140, 100)
    assert (released.blend_steps, released.blend_lr, released.style, released.cross_entropy) == (400, 0.01, 4e4, 1.0)
    assert (presets.PAPER.align_style_steps, presets.PAPER.blend_steps) == (100, 600)
    assert list(presets.PRESETS) == ["fast", "paper", "released"]


def stages(steps) -> list[str]:
    return list(dict.fromkeys(step.stage for step in steps))


def test_stages_are_named_as_in_the_paper(studio):
    steps = []
    result = run(
        studio.transfer(
            face=portrait(1), hair_shape=portrait(2), hair_color=portrait(3), mask=drawn(24), preset=PUBLISHED_TINY
        ),
        steps.append,
    )
    assert stages(steps) == [
        "parse",
        "embed W+",
        "embed F/S",
        "target mask",
        "align",
        "blend structure",
        "blend appearance",
        "paste back",
    ]
    assert {"embed W+", "embed F/S", "align", "blend appearance"} <= set(result.scores["losses"])
    assert set(result.scores["seconds"]) >= {"total", "align", "embed F/S"}


def test_painted_mask_is_the_target(studio):
    result = run(studio.transfer(face=portrait(1), hair_shape=portrait(2), mask=drawn(24), preset=TINY))
    assert np.array_equal(result.masks["target"], drawn(24))
    assert np.array_equal(result.masks["hair"], drawn(24) == HAIR)


def test_untouched_pixels_are_the_originals(studio):
    face = portrait(1)
    own = studio.parse(face)
    mask = own.copy()
    mask[:16] = HAIR  # painted over the top only
    result = run(studio.transfer(face=face, mask=mask, preset=TINY, smooth=2))
    changed = result.masks["changed"]
    assert changed[:16][own[:16] != HAIR].min() > 0.5
    image = np.asarray(result.image)
    assert (changed == 0).any()
    assert np.array_equal(image[changed == 0], face.image[changed == 0])


def test_colour_only_leaves_the_structure(studio):
    face, other = portrait(1), portrait(2)
    steps = []
    result = run(studio.transfer(face=face, hair_color=other, preset=TINY), steps.append)
    assert "align" not in stages(steps) and "blend structure" not in stages(steps)
    assert np.array_equal(result.masks["target"], studio.parse(face))
    own = run(studio.invert(face, "FS", TINY.inversion))
    assert torch.equal(result.code.feature, own.feature) and not torch.equal(result.code.w_plus, own.w_plus)


def test_shape_only_leaves_the_colours(studio):
    face = portrait(1)
    result = run(studio.transfer(face=face, hair_shape=portrait(2), mask=drawn(24), preset=TINY))
    own = run(studio.invert(face, "FS", TINY.inversion))
    assert torch.equal(result.code.w_plus, own.w_plus) and not torch.equal(result.code.feature, own.feature)


def test_ones_own_hair_changes_nothing(studio):
    face = portrait(1)
    result = run(studio.transfer(face=face, hair_shape=face, hair_color=face, preset=TINY))
    assert not result.masks["changed"].any()
    assert np.array_equal(np.asarray(result.image), face.image)
    assert np.array_equal(np.asarray(result.pasted), face.source)


def test_any_regions_from_any_number_of_photos(studio):
    mask = drawn(20)
    mask[34:40, 28:36] = region_index("nose")
    mask[46:50, 24:40] = region_index("mouth")
    result = run(
        studio.transfer(
            face=portrait(1),
            hair_color=portrait(2),
            mask=mask,
            preset=TINY,
            regions={"nose": portrait(3), "Mouth": portrait(4), "hair": portrait(5)},
        )
    )
    assert set(result.recipe["photos"]) == {"face", "hair_color", "region nose", "region mouth", "region hair"}
    assert {"nose", "mouth", "hair"} <= set(result.masks)


def test_face_swap_claims_the_face(studio):
    result = run(studio.swap_face(face=portrait(1), into=portrait(2), preset=TINY))
    assert result.recipe["operation"] == "swap_face"
    digests = {role: photo["digest"] for role, photo in result.recipe["photos"].items()}
    assert digests == {"into": portrait(2).digest, "face": portrait(1).digest}
    assert result.pasted.size == (SIDE, SIDE) and set(FACE) <= set(REGIONS)


@pytest.mark.parametrize("mode", ["realistic", "fidelity"])
def test_automatic_mask_in_both_modes(studio, mode):
    result = run(studio.transfer(face=portrait(1), hair_shape=portrait(4), mode=mode, smooth=0, preset=PUBLISHED_TINY))
    assert result.masks["target"].shape == (SIDE, SIDE) and result.masks["changed"].dtype == np.float32
    assert result.recipe["options"]["mode"] == mode
