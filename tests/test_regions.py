"""Region names against the published label tables, and the parser around a network."""

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from fixture import FOLDER
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from barbershop_core.editing import regions
from barbershop_core.editing.regions import ABSENT, FACE, REGIONS, TABLES, Parser
from barbershop_core.errors import BadRequest, PackError
from barbershop_core.networks.bisenet import BiSeNet

GROUPS = {
    "background": ["background"],
    "hair": ["hair"],
    "face_skin": ["skin"],
    "skin_with_nose": ["skin", "nose"],
    "eyes": ["eyes"],
    "brows": ["brows"],
    "ears": ["ears"],
    "nose": ["nose"],
    "neck": ["neck"],
    "necklace": ["necklace"],
    "cloth": ["clothes"],
    "hat": ["hat"],
    "glasses": ["glasses"],
    "earring": ["earrings"],
    "face": list(FACE),
}


@pytest.mark.parametrize("table", TABLES)
def test_tables_are_the_published_ones(table):
    published = json.loads((FOLDER / "label_tables" / f"{table}.json").read_text())
    ids = [c["id"] for c in published["classes"]]
    assert ids == list(range(len(TABLES[table])))
    mapped = regions.region_table(table)
    for group, names in GROUPS.items():
        ours = {i for i in ids if REGIONS[mapped[i]] in names}
        assert ours == set(published["groups"][group]), group
    mouth = set(published["groups"]["mouth_inside"]) | set(published["groups"]["lips"])
    assert mouth == {i for i in ids if REGIONS[mapped[i]] == "mouth"}


def test_both_tables_say_the_same():
    nineteen_to_sixteen = json.loads((FOLDER / "label_tables" / "map19to16.json").read_text())["map"]
    sixteen = regions.region_table("barbershop16")
    assert [sixteen[i] for i in nineteen_to_sixteen] == list(regions.region_table("celebamask19"))


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(sorted(TABLES)),
    st.integers(1, 3),
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(0, 2**31),
    st.floats(0.1, 40),
)
def test_region_probabilities_are_sums_of_class_probabilities(table, b, h, w, seed, spread):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(b, len(TABLES[table]), h, w, generator=generator) * spread
    log_p = regions.region_log_probabilities(logits, table)
    assert log_p.shape == (b, len(REGIONS), h, w)
    torch.testing.assert_close(log_p.exp().sum(1), torch.ones(b, h, w), rtol=1e-4, atol=1e-4)
    p = torch.zeros(b, len(REGIONS), h, w)
    for c, region in enumerate(regions.region_table(table)):
        p[:, region] += logits.softmax(1)[:, c]
    torch.testing.assert_close(log_p.exp(), p, rtol=1e-4, atol=1e-5)


def test_a_table_without_glasses(monkeypatch):
    monkeypatch.setitem(TABLES, "small", ("background", "skin", "hair"))
    logits = torch.randn(1, 3, 4, 4, requires_grad=True)
    log_p = regions.region_log_probabilities(logits, "small")
    assert (log_p[:, regions.region_index("glasses")] == ABSENT).all()
    F.nll_loss(log_p, torch.full((1, 4, 4), regions.region_index("glasses"))).backward()
    assert logits.grad is None or logits.grad.isfinite().all()
    assert set(log_p.argmax(1).unique().tolist()) <= {regions.region_index(n) for n in TABLES["small"]}


class Colours(nn.Module):
    """Class = the channel of the input that is largest; tells whether normalisation is undone."""

    n_classes = 19

    def forward(self, x):
        logits = torch.full((x.shape[0], 19, *x.shape[2:]), -20.0)
        raw = x * torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1) + torch.tensor([0.485, 0.456, 0.406]).view(
            1, 3, 1, 1
        )
        logits[:, [1, 17, 4]] = raw * 10  # skin, hair, left eye
        return logits


@pytest.mark.parametrize("size", [32, 48, 64, 128])
def test_parser_on_any_size(size):
    parser = Parser(Colours(), 64)
    half = size // 2
    image = torch.full((2, 3, size, size), -1.0)
    image[:, 0, :, :half] = 1
    image[:, 1, :, half:] = 1
    labels = regions.parse(parser, image)
    assert labels.shape == (2, size, size) and labels.dtype == torch.long
    assert (labels[..., : half - 2] == regions.region_index("skin")).all()
    assert (labels[..., half + 2 :] == regions.region_index("hair")).all()
    assert regions.parse(parser, image, 20).shape == (2, 20, 20)


@pytest.mark.parametrize("classes,table", [(19, "celebamask19"), (16, "barbershop16")])
def test_gradient_of_a_loss_reaches_the_image(classes, table):
    torch.manual_seed(0)
    parser = Parser(BiSeNet(classes, (8, 8, 8, 8)).eval().requires_grad_(False), 64, table)
    image = (torch.rand(2, 3, 128, 128) * 2 - 1).requires_grad_(True)
    target = torch.randint(0, len(REGIONS), (2, 64, 64))
    log_p = regions.parse_logits(parser, image, 64)
    loss = F.nll_loss(log_p, target)
    loss.backward()
    assert image.grad.isfinite().all() and image.grad.abs().sum() > 0
    step = image.detach() - 0.5 * image.grad / image.grad.norm()
    assert F.nll_loss(regions.parse_logits(parser, step, 64), target) < loss


def test_names():
    assert [regions.region_index(n) for n in REGIONS] == list(range(len(REGIONS)))
    assert regions.region_index(" Hair ") == REGIONS.index("hair")
    with pytest.raises(BadRequest, match="'beard'.*hair"):
        regions.region_index("beard")
    with pytest.raises(PackError):
        regions.region_table("other")
    with pytest.raises(PackError, match="16 classes"):
        Parser(BiSeNet(16, (8, 8, 8, 8)), 64, "celebamask19")


def test_masks_and_colours():
    labels = regions.to_regions(torch.arange(19, dtype=torch.uint8).reshape(1, 19), "celebamask19")
    assert labels.dtype == torch.long
    eyes = regions.region_mask(labels, ["eyes", "hair"])
    assert eyes.nonzero()[:, 1].tolist() == [4, 5, 17]
    assert torch.equal(regions.region_mask(labels, "hat"), labels == REGIONS.index("hat"))
    shown = regions.colour_map(labels)
    assert shown.shape == (1, 19, 3) and shown.dtype == np.uint8
    assert np.array_equal(shown, regions.colour_map(labels.numpy()))
    assert len({tuple(c) for c in regions.COLOURS.tolist()}) == len(REGIONS)
