"""Tables on a tiny random pack: their form, their truth, what fails; Frechet distance in closed form."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
import torchmetrics.image.fid  # noqa: F401  # before a test says that torch-fidelity is here or not
from PIL import Image
from scipy import linalg
from tiny_presets import few_steps

from barbershop_core import Studio, run
from barbershop_core.barbershop import transfer_presets as presets
from barbershop_core.editing.picture_file import encode
from barbershop_core.editing.regions import REGIONS
from barbershop_core.errors import BadRequest
from barbershop_core.evaluation import frechet, hair, pose, words
from barbershop_core.evaluation.held_out import TRIPLES
from barbershop_core.evaluation.reconstruction import reconstruction
from barbershop_core.evaluation.tables import NothingScored, contact_sheet
from barbershop_core.evaluation.triples import edited, triples
from barbershop_core.face3d.theta import TAU
from barbershop_core.networks import load
from barbershop_core.weights.manifest import PACKS
from barbershop_core.world import params
from barbershop_core.world.morphable_head import theta_of

QUICK = few_steps(presets.FAST, "quick", w_plus_steps=3, fs_steps=8, pose_steps=2)

pytestmark = pytest.mark.usefixtures("offline")


def test_truth_is_the_person_with_the_others_hair():
    triple = next(triples(1, 3, 64))
    a, b, c = params.sample(3, TRIPLES + 3)
    truth = edited(a, b, c)
    shape, colour = params.indices("hair_shape"), params.indices("hair_color")
    others = [i for i in range(params.COUNT) if i not in shape + colour]
    assert (truth[shape] == b[shape]).all() and (truth[colour] == c[colour]).all()
    assert (truth[others] == a[others]).all()
    assert triple.truth.theta == pytest.approx(triple.face.theta)  # all but the hair is the person's
    unmoved = (triple.face.labels == 10) & (triple.truth.labels == 10)  # the nose
    assert unmoved.sum() > 20
    assert triple.hair.any() and not (triple.hair & triple.face_area).any()
    assert set(np.unique(triple.regions)) <= set(range(len(REGIONS)))


def test_a_longer_list_begins_with_the_shorter_one():
    one, (first, second) = next(triples(1, 5, 32)), triples(2, 5, 32)
    assert (one.truth.image == first.truth.image).all()
    assert (first.truth.image != second.truth.image).any()
    assert (next(triples(1, 6, 32)).truth.image != one.truth.image).any()


def test_hair_table(small_pack, tmp_path):
    steps = []
    table = run(hair.hair(small_pack, 2, seed=1, preset=QUICK, sheet=tmp_path / "sheet.png"), steps.append)
    json.dumps(table)
    assert (table["pairs"], table["seed"], table["scored"], table["failures"]) == (2, 1, 2, [])
    assert set(table["rows"]) == {"ours", "w_plus", "paste"}
    for row in table["rows"].values():
        assert set(row) == {"hair_iou", "hair_de2000", "face_psnr", "lpips", "identity", "seconds"}
        assert 0 <= row["hair_iou"] <= 1 and -1 <= row["identity"] <= 1.0001
        assert row["lpips"] > 0 and row["seconds"] >= 0 and 3 < row["face_psnr"] < 100
    assert table["ceiling"]["face_psnr"] == 100 and table["ceiling"]["lpips"] == pytest.approx(0, abs=1e-6)
    psnr = [pair["ours"]["face_psnr"] for pair in table["details"]]
    assert table["rows"]["ours"]["face_psnr"] == pytest.approx(np.mean(psnr), abs=1e-4)
    assert [s.index for s in steps if s.stage == "pair"] == [1, 2]
    assert any(s.stage.startswith("embed") for s in steps)  # a pair can be stopped halfway
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (7 * 160, 16 + 2 * 160)


def test_a_perfect_result_scores_perfectly(small_pack):
    triple = next(triples(1, 2, small_pack.working_size))
    scores = hair._score(Studio(small_pack, cache=False), triple, triple.truth.image)
    assert scores["face_psnr"] == 100 and scores["lpips"] == pytest.approx(0, abs=1e-6)
    own = hair._score(Studio(small_pack, cache=False), triple, triple.face.image)
    assert own["identity"] == pytest.approx(1, abs=1e-5) and own["lpips"] > 0


def test_a_failing_pair_is_reported(small_pack, monkeypatch):
    drawn = list(triples(2, 1, small_pack.working_size))
    blank = type(drawn[0].face)(np.zeros((4, 4, 3), np.uint8), *[None] * 4)
    broken = type(drawn[0])(blank, *[blank] * 3)
    monkeypatch.setattr(hair, "triples", lambda *_: iter([broken, drawn[1]]))
    steps = []
    table = run(hair.hair(small_pack, pairs=2, seed=1, preset=QUICK), steps.append)
    assert table["scored"] == 1 and [f["pair"] for f in table["failures"]] == [0]
    assert any("Pair 1" in step.notice for step in steps)
    monkeypatch.setattr(hair, "triples", lambda *_: iter([broken]))
    with pytest.raises(NothingScored, match="None of the 1 pairs"):
        run(hair.hair(small_pack, pairs=1, seed=1, preset=QUICK))


@pytest.mark.parametrize("wrong", [{"pairs": 0}, {"seed": -1}, {"preset": "best"}])
def test_bad_arguments_are_refused_at_once(small_pack, wrong):
    with pytest.raises(BadRequest):
        run(hair.hair(small_pack, **{"pairs": 1, "seed": 0} | wrong))


@pytest.mark.parametrize("evaluate", [words.text, pose.pose])
@pytest.mark.parametrize("kind", ["face3d", None])
def test_a_pack_without_the_worlds_regressor_is_refused_at_once(small_pack, monkeypatch, evaluate, kind):
    networks = {k: v for k, v in small_pack.manifest.networks.items() if k != "regressor"}
    if kind is not None:
        networks["regressor"] = replace(small_pack.manifest.networks["regressor"], kind=kind)
    monkeypatch.setattr(small_pack, "manifest", replace(small_pack.manifest, networks=networks))
    monkeypatch.setattr(params, "sample", lambda *_: pytest.fail("something was drawn"))
    with pytest.raises(BadRequest, match="has no regressor of the portrait world") as refused:
        evaluate(small_pack, 1)
    assert "studio" in refused.value.remedy


def test_rows_of_the_rig_need_a_rig(small_pack, monkeypatch):
    """Else every row would be scored as "optimize" under another name."""
    networks = {k: v for k, v in small_pack.manifest.networks.items() if k != "rignet"}
    monkeypatch.setattr(small_pack, "manifest", replace(small_pack.manifest, networks=networks))
    with pytest.raises(BadRequest, match="RigNet"):
        pose.pose(small_pack, 1, rows=("optimize", "full"))
    pose.pose(small_pack, 1, rows=("optimize",))


def test_pose_compares_on_the_packs_device():
    """The meta device stands for a GPU: it refuses tensors of the CPU likewise."""
    model = load("face_model", PACKS / "studio" / "face_model.safetensors")
    theta = theta_of(model, torch.from_numpy(params.sample(1, 1))).map(lambda part: part.to("meta"))
    model = model.to("meta")
    case = pose.cases(1, 0, 32)[0]
    session = SimpleNamespace(reader=SimpleNamespace(model=model), theta=theta)
    for tau in TAU:
        wanted = pose._asked(session, case, tau)
        assert {part.device.type for part in vars(wanted).values()} == {"meta"}


@pytest.mark.parametrize("fidelity", [True, False], ids=["with torch-fidelity", "without"])
def test_fid_says_what_is_missing(fidelity, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))  # nothing lies there
    monkeypatch.setitem(sys.modules, "torch_fidelity", ModuleType("torch_fidelity") if fidelity else None)
    extractor, sentence = frechet.inception()
    assert extractor is None
    place = f"put weights-inception-2015-12-05-6726825d.pth into {tmp_path / 'hub' / 'checkpoints'}."
    assert sentence == (
        f"FID's network is not available (HF_HUB_OFFLINE is set); {place}"
        if fidelity
        else "FID needs the package torch-fidelity (pip install torch-fidelity)."
    )


def test_reconstruction_table(small_pack, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))  # nothing lies there
    for number, triple in enumerate(triples(2, 4, 64)):
        (tmp_path / f"{number}.png").write_bytes(encode(triple.face.image))
    (tmp_path / "notes.txt").write_text("no photo")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    steps = []
    table = run(reconstruction(small_pack, tmp_path, preset=QUICK.inversion), steps.append)
    json.dumps(table)
    assert (table["photos"], table["scored"]) == (3, 2)
    assert [f["photo"] for f in table["failures"]] == ["broken.jpg"]
    assert list(table["rows"]) == ["W", "W+", "FS"]
    for row in table["rows"].values():
        assert row["fid"] is None and row["fid_perceptual"] >= 0
        assert row["rmse"] > 0 and row["psnr"] < 60 and -1 <= row["ssim"] <= 1 and row["vgg"] > 0
    assert table["rows"]["FS"]["psnr"] > table["rows"]["W"]["psnr"]  # F can copy what W cannot
    assert frechet.inception()[1] in table["notices"][0]  # whichever is missing where this runs
    for text in (tmp_path / "absent", tmp_path / "hub"):
        with pytest.raises(BadRequest, match="no photos"):
            run(reconstruction(small_pack, text))


def test_frechet_distance_in_closed_form():
    rng = np.random.default_rng(0)
    one, two = rng.standard_normal((200, 5)), 1.5 * rng.standard_normal((300, 5)) + [1, 0, 2, 0, 0]
    a, b = np.cov(one, rowvar=False), np.cov(two, rowvar=False)
    mean = np.square(one.mean(0) - two.mean(0)).sum()
    expected = mean + np.trace(a + b - 2 * linalg.sqrtm(a @ b).real)
    found = frechet.distance(torch.from_numpy(one), torch.from_numpy(two))
    assert found == pytest.approx(expected, rel=1e-4)
    assert frechet.distance(torch.from_numpy(one), torch.from_numpy(one)) == pytest.approx(0, abs=1e-3)
    assert frechet.distance(torch.from_numpy(one[:1]), torch.from_numpy(two)) is None


def test_contact_sheet_shows_every_picture():
    colours = {"one": (255, 0, 0), "two": (0, 0, 255)}
    row = {name: np.full((8, 8, 3), colour, np.uint8) for name, colour in colours.items()}
    sheet = contact_sheet([row, row], side=20)
    assert sheet.shape == (56, 40, 3)
    assert tuple(sheet[26, 10]) == (255, 0, 0) and tuple(sheet[46, 30]) == (0, 0, 255)
