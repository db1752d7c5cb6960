"""The target mask on label maps drawn by hand, where the right answer is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from conformance import weights
from fixture import Fixture
from small_studio import SIDE, portrait
from tiny_presets import PUBLISHED_TINY, TINY

from barbershop_core.barbershop.geometry import face_points, residual, similarity, warp, warp_labels
from barbershop_core.barbershop.published_mask import draft, parse_classes, published_mask
from barbershop_core.barbershop.target_mask import Claim, cross_entropy, even, lay_together, painted, read_painted
from barbershop_core.editing.regions import (
    REGIONS,
    colour_map,
    parse,
    region_index,
    region_mask,
    region_table,
    to_regions,
)
from barbershop_core.errors import BadRequest
from barbershop_core.progress import run

R = 128
TABLE = "celebamask19"
HAIR, SKIN, BACK, NOSE = (region_index(name) for name in ("hair", "skin", "background", "nose"))


def ellipse(x: float, y: float, a: float, b: float) -> torch.Tensor:
    rows, columns = torch.meshgrid(torch.arange(R), torch.arange(R), indexing="ij")
    return ((columns - x) / a) ** 2 + ((rows - y) / b) ** 2 <= 1


def head(hair: tuple[float, float] = (40, 44), x: float = 64, y: float = 70, s: float = 1.0) -> torch.Tensor:
    """A label map: background, hair around an oval face with its parts, neck and clothes."""
    labels = torch.zeros(R, R, dtype=torch.long)

    def put(name, cx, cy, a, b):
        labels[ellipse(x + s * (cx - 64), y + s * (cy - 70), s * a, s * b)] = region_index(name)

    put("neck", 64, 105, 14, 20)
    put("clothes", 64, 140, 60, 25)
    if hair:
        put("hair", 64, 62, *hair)
    put("skin", 64, 74, 26, 34)
    for side in (-1, 1):
        put("brows", 64 + side * 11, 58, 7, 2)
        put("eyes", 64 + side * 11, 65, 5, 3)
    put("nose", 64, 76, 4, 7)
    put("mouth", 64, 92, 9, 4)
    return labels


def test_nothing_claimed_nothing_changes():
    target = lay_together(head(), [])
    assert torch.equal(target.labels, head()) and bool(target.claimed.all()) and not target.owner.any()


def test_larger_hair_is_laid_on():
    target = lay_together(head((32, 40)), [Claim("hair", 1, head((46, 50)))], smooth=0)
    assert torch.equal(target.labels, head((46, 50)))
    assert torch.equal(target.owner == 1, head((46, 50)) == HAIR)


@pytest.mark.parametrize("mode", ["realistic", "fidelity"])
def test_smaller_hair_uncovers_what_is_plausible(mode):
    target = lay_together(head((46, 50)), [Claim("hair", 1, head((32, 40)))], smooth=0, mode=mode)
    assert torch.equal(target.labels == HAIR, head((32, 40)) == HAIR)
    gaps = (head((46, 50)) == HAIR) & (target.labels != HAIR)
    assert gaps.any() and torch.equal(gaps, ~target.claimed)
    # nothing small spreads into the gap
    assert set(target.labels[gaps].unique().tolist()) <= {
        region_index(n) for n in ("background", "skin", "neck", "clothes")
    }
    if mode == "realistic":  # what the reference shows there is right to the pixel in this drawing
        assert torch.equal(target.labels, head((32, 40)))


def test_gap_takes_the_nearest_region():
    person = torch.zeros(R, R, dtype=torch.long)
    person[:, :40] = SKIN
    person[:, 40:60] = HAIR
    none = torch.zeros(R, R, dtype=torch.long)
    none[0, 0] = SKIN  # a reference without hair
    target = lay_together(person, [Claim("hair", 1, none)], smooth=0, mode="fidelity")
    assert (target.labels[:, :49] == SKIN).all() and (target.labels[:, 51:] == BACK).all()


def test_a_feature_replaces_a_feature():
    other = head()
    other[other == NOSE] = SKIN
    other[ellipse(64, 76, 7, 5)] = NOSE
    target = lay_together(head(), [Claim("nose", 2, other)], smooth=0)
    assert torch.equal(target.labels == NOSE, other == NOSE)
    gone = (head() == NOSE) & (other != NOSE)
    assert (target.labels[gone] == SKIN).all() and (target.owner == 2).sum() == (other == NOSE).sum()


def test_hair_never_hides_the_nose_and_a_face_never_the_hair():
    flood = torch.full((R, R), HAIR)
    target = lay_together(head(), [Claim("hair", 1, flood)], smooth=0)
    assert torch.equal(target.labels == NOSE, head() == NOSE)
    fringed = head()
    fringed[40:62, 45:85] = HAIR
    target = lay_together(fringed, [Claim("skin", 1, head()), Claim("brows", 1, head())], smooth=0)
    assert torch.equal(target.labels == HAIR, fringed == HAIR)


def test_several_sources():
    target = lay_together(head(), [Claim("hair", 1, head((46, 50))), Claim("mouth", 2, head())], smooth=0)
    assert set(target.owner.unique().tolist()) == {0, 1, 2}
    assert (target.owner[target.labels == region_index("mouth")] == 2).all()


def test_unknown_mode():
    with pytest.raises(BadRequest, match="realistic, fidelity"):
        lay_together(head(), [], mode="nice")


def test_even_removes_specks_and_keeps_small_parts():
    mask = ellipse(64, 64, 30, 30)
    ragged = mask.clone()
    ragged[5, 5] = True
    ragged[64, 64] = False
    smooth = even(ragged, 5)
    assert not smooth[5, 5] and smooth[64, 64]
    assert (smooth ^ mask).float().mean() < 0.01
    dot = torch.zeros(R, R, dtype=torch.bool)
    dot[60:62, 60:62] = True
    assert torch.equal(even(dot, 9), dot)


@pytest.mark.parametrize("move", [(64, 70, 1.0), (70, 76, 1.0), (60, 66, 1.2), (64, 70, 0.8)])
def test_similarity_carries_a_face_onto_a_face(move):
    x, y, s = move
    reference, person = head((42, 44), x, y, s), head((42, 44))
    matrix = similarity(reference, person)
    assert torch.allclose(matrix[:, :2], s * torch.eye(2), atol=0.04)
    carried = warp_labels(reference, matrix)
    a, b = carried == HAIR, person == HAIR
    assert float((a & b).sum()) / float((a | b).sum()) > 0.9
    assert residual(reference, person) < 0.01


def test_similarity_knows_rotation():
    person = head()
    turned = torch.rot90(person, 1)
    assert torch.equal(similarity(turned, person), torch.tensor([[1.0, 0, 0], [0, 1.0, 0]]))  # not plausible
    angle = 0.2
    around = torch.tensor([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], dtype=torch.float32)
    matrix = torch.cat([around, (0.5 - around @ torch.tensor([0.5, 0.5]))[:, None]], 1)
    tilted = warp_labels(person, matrix)  # tilted(p) = person(matrix p)
    found = similarity(person, tilted)
    assert torch.allclose(found, matrix, atol=0.05)


def test_a_turned_head_is_noticed():
    other = head()
    other[other == NOSE] = SKIN
    other[ellipse(76, 76, 4, 7)] = NOSE  # the nose far from the middle of the eyes
    assert residual(other, head()) > 0.02


def test_no_face_no_movement():
    empty = torch.zeros(R, R, dtype=torch.long)
    assert face_points(empty) == {} and residual(empty, head()) == 0.0
    assert torch.equal(similarity(empty, head()), torch.eye(3)[:2])
    picture = torch.rand(1, 3, R, R)
    assert torch.equal(warp(picture, similarity(empty, head())), picture)


def test_painted_mask_is_used_as_it_is():
    wanted = head((46, 50))
    claims = [Claim("hair", 1, head((32, 40)))]
    for given in (wanted.numpy().astype(np.uint8), colour_map(wanted)):
        target = painted(given, head(), claims)
        assert torch.equal(target.labels, wanted) and torch.equal(target.owner == 1, wanted == HAIR)
    small = np.asarray(wanted.numpy()[::2, ::2], np.uint8)
    assert painted(small, head(), claims).labels.shape == (R, R)


@pytest.mark.parametrize(
    "bad, words",
    [
        (np.zeros((R, R), np.uint8), "empty"),
        (np.full((R, R), 200, np.uint8), "0\\.\\.13"),
        (np.zeros((R, R, 2), np.uint8), "shape"),
        (np.zeros((R, R), np.float32), "float32"),
    ],
)
def test_painted_nonsense_is_a_sentence(bad, words):
    with pytest.raises(BadRequest, match=words):
        read_painted(bad)


@pytest.mark.parametrize("smooth", [5, 8, 10, 20])
def test_smoothing_leaves_hair_at_the_frame(smooth):
    """At 1024 px, too, where ``smooth`` is four times as many pixels: 8, 10 and 20 once took 16, 28 and 88 rows."""
    mask = torch.zeros(1024, 1024, dtype=torch.bool)
    mask[:600, 200:800] = True
    mask[:300, :500] = True
    assert bool(even(mask, smooth)[:40, :760].all()) and bool(even(mask, smooth)[40:200, :3].all())


def published_draft(sources=None):
    """Draft of a narrow head with the hair of a wide one, in the classes of the 19-class table."""
    classes = [to_classes(head((46, 50))), to_classes(head((32, 40)))]
    return classes, draft(classes, {"hair": 1}, sources or {"hair": 1}, TABLE)


def to_classes(labels: torch.Tensor) -> torch.Tensor:
    """Region indices as the first class of each region."""
    return torch.tensor([region_table(TABLE).index(k) for k in range(len(REGIONS))])[labels]


def test_published_draft_knows_what_is_unknown():
    classes, start = published_draft()
    person, other = (to_regions(c, TABLE) for c in classes)
    laid = to_regions(start.labels, TABLE)
    assert torch.equal(laid == HAIR, other == HAIR) and torch.equal(start.owner == 1, other == HAIR)
    assert torch.equal(start.left, (person == HAIR) & (other != HAIR)) and bool(start.left.any())
    # where the other shows neck and the person had hair before the background
    body = ~torch.isin(other, torch.tensor([HAIR, BACK, region_index("clothes")]))
    assert torch.equal(start.shown, body & (person == HAIR))
    assert not bool(start.foreground[0, 0]) and bool(start.foreground[person == HAIR].all())
    wide = draft(classes[::-1], {"hair": 1}, {"hair": 0}, TABLE)  # another's shape, the person's own structure
    assert not bool(wide.owner.any()) and torch.equal(to_regions(wide.labels, TABLE) == HAIR, person == HAIR)


def test_completion_fills_what_is_unknown_alone(small_pack):
    generator = small_pack.generator
    z = torch.randn(2, generator.z_dim, generator=torch.Generator().manual_seed(4))
    images = generator.synthesis(generator.spread(generator.mapping(z))).clamp(-1, 1).split(1)
    person = parse(small_pack.parser, images[0])[0]
    found = parse_classes(small_pack.parser, images[0])
    hair = region_mask(to_regions(found, TABLE), ("hair",))
    region = "hair" if bool(hair.any()) else REGIONS[int(person.flatten().mode().values)]
    steps, sources = [], {region: 1}
    preset = replace(PUBLISHED_TINY, mask_steps=2, mask_lr=0.1)
    target = run(published_mask(small_pack, images, person, sources, sources, "realistic", preset), steps.append)
    assert len(steps) == 4 and {step.stage for step in steps} == {"target mask"}
    start = draft([parse_classes(small_pack.parser, image) for image in images], sources, sources, TABLE)
    known = ~(start.left | start.shown)
    assert torch.equal(target.classes[known], start.labels[known]) and target.labels.shape == person.shape
    nearby = run(
        published_mask(small_pack, images, person, sources, sources, "fidelity", replace(preset, mask_steps=0))
    )
    assert torch.equal(nearby.classes[known], start.labels[known])


def test_studio_gives_the_mask_alone(studio):
    labels = run(studio.target_mask(face=portrait(1), hair_shape=portrait(2), preset=TINY))
    assert labels.shape == (SIDE, SIDE) and labels.dtype == np.uint8 and labels.max() < len(REGIONS)


def test_hair_has_no_holes_but_the_face():
    """A bright strand that the parser took for skin is hair; the face inside of long hair is not."""
    labels = head((46, 60))
    strand = ellipse(64, 20, 5, 6)
    assert bool((labels[strand] == HAIR).all())
    spoilt = torch.where(strand, torch.tensor(SKIN), labels)
    target = lay_together(head(None), [Claim("hair", 1, spoilt)], smooth=0)
    assert bool((target.labels[strand] == HAIR).all()) and bool((target.owner[strand] == 1).all())
    assert bool((target.labels[ellipse(64, 82, 10, 3)] != HAIR).all())
    assert bool((target.labels == NOSE).any())


def test_published_cross_entropy():
    fixture = Fixture("losses")
    logits = torch.from_numpy(weights.array("input:seg_logits", (1, 16, 64, 64), 1, std=2.0))
    target = torch.from_numpy(fixture.io["seg_target"]).long()
    log_p, background = logits.log_softmax(1), (target == 0).float()
    fixture.check("ce", cross_entropy(log_p, target, torch.ones_like(background)))
    fixture.check("ce_wo_background", cross_entropy(log_p, target, 1 - background))
    fixture.check("ce_only_background", cross_entropy(log_p, target, background))
    assert cross_entropy(log_p, torch.ones_like(target), 0 * background) == 0
