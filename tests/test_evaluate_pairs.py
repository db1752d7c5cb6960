"""Transfers between photographs in the papers' figures: unchanged photos score perfectly, tables are read as meant."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from barbershop_core import Studio, run
from barbershop_core.editing.regions import region_index
from barbershop_core.errors import BadRequest
from barbershop_core.evaluation import judges, looks, pairs
from barbershop_core.evaluation.looks import Look
from barbershop_core.evaluation.pair_listing import Pair
from barbershop_core.evaluation.published import PUBLISHED
from barbershop_core.evaluation.reconstruction import similarity
from barbershop_core.evaluation.tables import NothingScored
from barbershop_core.evaluation.triples import triples

pytestmark = pytest.mark.usefixtures("offline")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Three portraits; the Hub's cache is empty."""
    for number, triple in enumerate(triples(3, 4, 64)):
        Image.fromarray(triple.face.image).save(tmp_path / f"{number}.png")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    return tmp_path


@pytest.fixture
def unchanged(monkeypatch):
    """Transfers give back the photo; the upper half of every picture is hair."""
    asked = []

    def transfer(self, face, hair_shape=None, hair_color=None, **_):
        asked.append((hair_shape, hair_color))
        yield from ()
        seconds = {"total": 3.0, "align": 1.0, "blend": 2.0}
        return SimpleNamespace(image=Image.fromarray(pairs.full(self, face)), scores={"seconds": seconds})

    def look(pack, picture):
        found = looks.look(pack, picture)
        regions = torch.full_like(found.regions, region_index("skin"))
        regions[:256] = region_index("hair")
        return Look(found.picture, regions, found.who, yaw=float(picture.mean()))

    monkeypatch.setattr(Studio, "transfer", transfer)
    monkeypatch.setattr(pairs, "look", look)
    return asked


def test_giving_back_the_photo_is_perfect(small_pack, folder, unchanged):
    steps = []
    clip = SimpleNamespace(mean=torch.zeros(1), std=torch.ones(1), size=8, encode_image=lambda x: x.flatten(1))
    table = run(pairs.pairs(small_pack, folder, clip=clip, sheet=folder / "sheet.png"), steps.append)
    json.dumps(table)
    assert (table["pairs"], table["scored"], table["failures"]) == (3, 3, [])
    everything, own = table["rows"]["all"], table["rows"]["own hair"]
    for row in (everything, own):
        assert row["psnr"] == 100 and row["ssim"] == pytest.approx(1) and row["pairs"] == 3
        assert row["identity"] == pytest.approx(1, abs=1e-4) and row["seconds"] == 3
        assert row["fid"] is None and abs(row["fid_perceptual"]) < 0.01 and abs(row["fid_clip"]) < 0.01
    assert own["clip_i"] == pytest.approx(1, abs=1e-4) and everything["clip_i"] < own["clip_i"]
    assert table["rows"]["both"] == everything and "full" not in table["rows"]
    assert table["stages"] == {"align": 1.0, "blend": 2.0}
    assert any("torch-fidelity" in notice for notice in table["notices"])
    assert table["published"][next(iter(PUBLISHED))]["HairFastGAN"]["fid"] == 12.78
    assert len(unchanged) == 6 and [s.index for s in steps if s.stage == "pair" and not s.notice] == [1, 2, 3]
    with Image.open(folder / "sheet.png") as sheet:
        assert sheet.size == (2 * 256, 16 + 3 * 256)


def test_pairs_of_a_table(small_pack, folder, unchanged):
    listing = folder / "pairs.csv"
    listing.write_text("face,shape,color,note\n0.png,1.png,2.png,x\n1.png,,0.png,\n2.png,2.png,,\n0.png,1.png,1.png,\n")
    table = run(pairs.pairs(small_pack, folder, listing))
    kinds = [detail["kind"] for detail in table["details"] if detail["kind"] != "own hair"]
    assert kinds == ["full", "color", "shape", "both"] and table["rows"]["own hair"]["pairs"] == 3
    assert set(kinds) < set(table["rows"]) and table["rows"]["all"]["pairs"] == 4
    assert table["rows"]["all"]["clip_i"] is None and table["rows"]["all"]["fid_clip"] is None
    assert judges.NO_CLIP in table["notices"]
    assert unchanged[1][0] is not None and unchanged[2] == (None, unchanged[2][1])  # own hair after the first


def test_heads_are_counted_by_how_far_they_differ():
    blank = np.zeros((4, 4, 3), np.uint8)

    def scored(kind, yaw):
        return pairs._Scored("", kind, blank, {}, {}, {}, yaw)

    made = [scored("both", yaw) for yaw in (0.0, 14.9, 15.0, 40.0, None)] + [scored(pairs.OWN, None)]
    groups = {name: len(members) for name, members in pairs._groups(made).items()}
    assert groups == {"all": 5, "both": 5, "yaw < 15": 2, "yaw >= 15": 2, "own hair": 1}


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("photo,hair\n0.png,1.png\n", "line 2: a pair needs a face"),
        ("face,shape,color\n0.png,,\n", "line 2: a pair needs a face"),
        ("face,shape,color\n0.png,1.png,\n0.png,9.png,\n", "line 3: there is no 9.png"),
        ("face,shape,color\n", "There are no pairs"),
    ],
)
def test_mistakes_in_a_table_are_named(small_pack, folder, text, complaint):
    (folder / "pairs.csv").write_text(text)
    with pytest.raises(BadRequest, match=complaint):
        pairs.pairs(small_pack, folder, folder / "pairs.csv")


def test_what_cannot_be_paired_is_refused(small_pack, folder):
    (folder / "bad.csv").write_bytes(b"\xff\xfe\x00face")
    (folder / "one").mkdir()
    (folder / "0.png").rename(folder / "one" / "0.png")
    for where, listing in ((folder / "one", None), (folder / "absent", None), (folder, folder / "bad.csv")):
        with pytest.raises(BadRequest):
            pairs.pairs(small_pack, where, listing)
    with pytest.raises(BadRequest, match="0 pairs"):
        pairs.pairs(small_pack, folder, limit=0)


def test_pairs_that_fail_are_told(small_pack, folder, unchanged):
    (folder / "2.png").write_bytes(b"\x89PNG broken")
    table = run(pairs.pairs(small_pack, folder))
    assert table["scored"] == 1
    assert [f["pair"] for f in table["failures"]] == ["1.png + 2.png + 2.png", "2.png + 0.png + 0.png"]
    (folder / "1.png").write_bytes(b"")
    with pytest.raises(NothingScored, match="None of the 3 pairs"):
        run(pairs.pairs(small_pack, folder))


def test_similarity_counts_the_pixels_that_it_is_told_to():
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 200, (64, 64, 3), dtype=np.uint8)
    made = photo.copy()
    made[:32] += 10
    where = np.zeros((64, 64), bool)
    where[:32] = True
    assert similarity(made, photo, where)["psnr"] == pytest.approx(20 * np.log10(25.5), abs=1e-3)
    assert similarity(made, photo)["psnr"] == pytest.approx(20 * np.log10(25.5) + 10 * np.log10(2), abs=1e-3)
    away = np.zeros((64, 64), bool)
    away[48:] = True
    assert similarity(made, photo, away) == pytest.approx({"psnr": 100, "ssim": 1})
    assert similarity(made, photo, where)["ssim"] < 1
    assert similarity(made, photo, np.zeros((64, 64), bool)) == {"psnr": None, "ssim": None}


def test_kinds_and_names_of_pairs(tmp_path):
    a, b = tmp_path / "a.png", tmp_path / "b.png"
    hair = {"both": (b, b), "full": (b, a), "shape": (b, None), "color": (None, b)}
    assert {kind: Pair(a, *photos).kind for kind, photos in hair.items()} == {kind: kind for kind in hair}
    assert Pair(a, None, b).name == "a.png + b.png"
