"""The composite as a whole, on tiny random networks: what changes, what must not."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from small_studio import SIDE, picture, portrait
from tiny_presets import PUBLISHED_TINY, TINY

from barbershop_core import jobs
from barbershop_core.barbershop import compose, published_align, published_mask, transfer
from barbershop_core.barbershop import transfer_presets as presets
from barbershop_core.barbershop.compose import composite
from barbershop_core.barbershop.reference import Reference
from barbershop_core.barbershop.structure import Assignment, Plan
from barbershop_core.barbershop.target_mask import TargetMask
from barbershop_core.editing.regions import FACE, REGIONS, region_index, region_table
from barbershop_core.editing.request import Request
from barbershop_core.inversion.codes import Code
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
    assert (released.mask_steps, released.align_steps, released.align_style_steps) == (80, 140, 100)
    assert (released.blend_steps, released.blend_lr, released.style, released.cross_entropy) == (400, 0.01, 4e4, 1.0)
    assert released.published and released.released_mix and not released.style_of_person
    assert (presets.PAPER.align_steps, presets.PAPER.align_style_steps, presets.PAPER.mask_steps) == (100, 100, 0)
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


# --- shape, structure and colour from three photos (section 3.7) ------------------------------


def sources(**photos):
    request = Request("transfer", {"face": portrait(1), **photos}, {"preset": "fast", "regions": None})
    return transfer._sources(request), request


def test_structure_comes_with_the_shape_unless_a_third_photo_gives_it(studio):
    two, request = sources(hair_shape=portrait(2), hair_color=portrait(3))
    found = transfer._numbered(studio.pack, request, two).assignment
    assert found == Assignment({"hair": 1}, {"hair": 2})
    three, request = sources(hair_shape=portrait(2), hair_color=portrait(3), hair_structure=portrait(4))
    found = transfer._numbered(studio.pack, request, three).assignment
    assert (found.shape_of("hair"), found.structure["hair"], found.appearance["hair"]) == (1, 3, 2)
    assert found.shapes_of(1) == {"hair"} and found.shapes_of(2) == found.shapes_of(3) == set()
    own, request = sources(hair_structure=portrait(4))
    found = transfer._numbered(studio.pack, request, own).assignment
    assert (found.shape_of("hair"), found.structure["hair"], found.gives("hair")) == (0, 1, True)


def reference(pack, seed: int, hair_rows: int) -> Reference:
    """A code of the generator with its picture and drawn labels."""
    g = pack.generator
    rng = torch.Generator().manual_seed(seed)
    w_plus = g.spread(g.mapping(torch.randn(1, g.z_dim, generator=rng))).contiguous()
    feature = g.features(w_plus) + 0.1 * torch.randn(1, 16, 32, 32, generator=rng)
    code = Code("FS", w_plus, feature)
    return Reference(code.synthesis(g), torch.from_numpy(drawn(hair_rows)).long(), code)


@torch.no_grad()
def test_one_photos_outline_is_filled_with_anothers_structure(small_pack, monkeypatch):
    references = [reference(small_pack, seed, rows) for seed, rows in enumerate((8, 32, 16))]
    first_class = torch.tensor([region_table(small_pack.parser.table).index(k) for k in range(len(REGIONS))])

    def drawn_classes(parser, image):
        """The drawn labels of a picture, at the parser's size."""
        labels = next(one.labels for one in references if torch.equal(one.image, image))
        return first_class[labels].repeat_interleave(512 // SIDE, 0).repeat_interleave(512 // SIDE, 1)

    for module in (published_mask, published_align):
        monkeypatch.setattr(module, "parse_classes", drawn_classes)
    assignment = Assignment({"hair": 2}, shape={"hair": 1})
    preset = replace(PUBLISHED_TINY, mask_steps=0)
    made = run(composite(small_pack, references, Plan(assignment, preset, smooth=0)))
    outline = references[1].labels == HAIR
    assert torch.equal(made.target.region("hair"), outline)
    assert torch.equal(made.target.owner, 2 * outline.long())
    # F of the structure's photo where its hair is in the outline, and nowhere F of the outline's photo
    inside = (slice(None), slice(None), slice(1, 6), slice(8, 24))
    torch.testing.assert_close(made.code.feature[inside], references[2].code.feature[inside])
    other = [references[0], replace(references[1], code=references[0].code), references[2]]
    again = run(composite(small_pack, other, Plan(assignment, preset, smooth=0)))
    assert torch.equal(again.code.feature, made.code.feature)


def test_three_photos_in_one_edit_and_again_from_its_recipe(studio):
    steps = []
    photos = {"hair_shape": portrait(2), "hair_structure": portrait(3), "hair_color": portrait(4)}
    result = run(studio.transfer(face=portrait(1), preset=TINY, **photos), steps.append)
    assert set(result.recipe["photos"]) == {"face", *photos}
    two = run(studio.transfer(face=portrait(1), hair_shape=portrait(2), hair_color=portrait(4), preset=TINY))
    assert two.recipe["photos"].keys() != result.recipe["photos"].keys()
    recipe = {**result.recipe, "options": {**result.recipe["options"], "preset": "fast"}}
    again = run(jobs.replay(studio, recipe, [picture(seed) for seed in (4, 3, 2, 1)])).value
    assert again.recipe["photos"] == result.recipe["photos"]


def test_a_published_target_mask_is_made_of_the_parses_alone(studio, monkeypatch):
    monkeypatch.setattr(transfer, "codes_of", lambda *_: pytest.fail("a portrait was embedded"))
    labels = run(studio.target_mask(face=portrait(1), hair_shape=portrait(2), preset=PUBLISHED_TINY))
    assert labels.shape == (SIDE, SIDE) and labels.dtype == np.uint8


# --- appearance -------------------------------------------------------------------------------


def test_colours_come_from_codes_with_f(studio):
    colour, request = sources(hair_color=portrait(2))
    numbered = transfer._numbered(studio.pack, request, colour)
    references = run(transfer.read(studio.pack, None, request, numbered, TINY))
    assert references[1].code.space == "FS"
    own = run(studio.invert(portrait(2), "FS", TINY.inversion))
    assert torch.equal(references[1].code.w_plus, own.w_plus)


def test_the_generators_own_picture_is_kept_beside_the_result(studio):
    face = portrait(1)
    mask = studio.parse(face)
    mask[:16] = HAIR
    result = run(studio.transfer(face=face, mask=mask, preset=TINY, smooth=2))
    generated, kept = np.asarray(result.generated), result.masks["changed"] == 0
    assert np.array_equal(generated, studio.render(result.code))
    assert kept.any() and (generated != np.asarray(result.image))[kept].any()


def looks(region: torch.Tensor, shown: torch.Tensor, **numbers):
    """What a composite says and compares of hair at ``region`` whose colours a photo shows at ``shown``."""
    labels = torch.zeros(SIDE, SIDE, dtype=torch.long)
    person, other = (
        SimpleNamespace(image=torch.zeros(1, 3, SIDE, SIDE), labels=HAIR * m.long()) for m in (region, shown)
    )
    target = TargetMask(HAIR * region.long(), labels, torch.ones_like(region), ("hair",))
    where = compose._Structure(target, [person, other], torch.zeros(1, 16, 32, 32))
    return compose._on_common_regions(where, {"hair": 1}, bool(replace(presets.PAPER, **numbers).colour))


def test_a_colour_that_cannot_be_compared_is_told():
    top = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    top[:10] = True
    (_, target), notices = looks(top, ~top)
    assert not (target.region & target.shown).any() and "hair keeps its colour" in notices[0]
    assert not looks(top, ~top, colour=1.0)[1]  # statistics need no common pixel
    bottom = ~top
    bottom[9, :3] = True
    assert not looks(top, bottom)[1]  # three pixels are what there is


def test_released_finds_colours_in_the_shape_of_their_photo(small_pack):
    references = [reference(small_pack, seed, rows) for seed, rows in enumerate((8, 32, 16))]
    assignment = Assignment({"hair": 1}, {"hair": 2})
    assert compose._in_own_shapes(assignment) == Assignment({"hair": 2}, {"hair": 2})
    steps = []
    run(composite(small_pack, references, Plan(assignment, PUBLISHED_TINY)), steps.append)
    paper = []
    run(composite(small_pack, references, Plan(assignment, replace(PUBLISHED_TINY, own_shape=False))), paper.append)
    count = [sum(step.stage == "blend structure" for step in found) for found in (steps, paper)]
    assert count == [2, 1]
    assert presets.RELEASED.own_shape and not presets.PAPER.own_shape
