"""Edits by the rig through the facade, the command line and a chain, on tiny networks."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from command_line import cli
from PIL import Image
from small_face import painted
from small_pack import write_small_pack
from small_rig import write_small_rig
from small_studio import SIDE, picture, portrait

from barbershop_core import jobs, open_pack, run
from barbershop_core.errors import BadRequest, FaceModelMissing, NoFaceFound
from barbershop_core.inversion.cache import CodeCache
from barbershop_core.pie import pie_presets, repose
from barbershop_core.pie.options import SWEEP
from barbershop_core.pie.photo_rig import CONTROLS, photo_rig
from barbershop_core.studio import Studio

TINY = replace(pie_presets.FAST, name="tiny", w_steps=1, w_plus_steps=3, edit_every=2, side=24, optimize_steps=2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("rigged")


@pytest.fixture(scope="module")
def pack(folder):
    return open_pack(write_small_rig(folder), device="cpu")


@pytest.fixture(scope="module")
def studio(pack):
    return Studio(pack, cache=False)


@pytest.fixture(scope="module")
def session(studio):
    return run(studio.rig(portrait(1), TINY))


def test_result(studio):
    result = run(studio.repose(portrait(1), yaw=10.0, expression="smile", light={"azimuth": 30}, preset=TINY))
    assert result.image.size == (SIDE, SIDE) and result.pasted.size == (SIDE, SIDE)
    assert result.recipe["operation"] == "repose" and result.recipe["options"]["method"] == "rig"
    assert result.recipe["options"]["light"] == {"azimuth": 30}
    assert {"turned", "identity", "expression error", "light error", "seconds"} <= set(result.scores)
    json.dumps(result.recipe), json.dumps(result.scores)
    assert result.masks["changed"].min() == 1  # a turned head changes everything
    assert result.code.space == "W+"


def test_a_photograph_is_moved_itself(session):
    """With a photograph, pictures and results are its own pixels at its own size; the code stays."""
    photo = photo_rig(painted(side=160))
    moving = replace(session, photo=photo)
    assert moving.live and moving.controls == tuple(CONTROLS) and moving.angles == (0.0, 0.0, 0.0)
    assert np.abs(moving.preview / 255 - photo.photograph.image).max() < 0.01
    result = run(moving.result(yaw=10.0, expression={"mouth_open": 0.8}, light={"azimuth": -40.0}))
    assert result.image.size == (160, 160) and result.masks["changed"].shape == (160, 160)
    shown = moving.image(yaw=10.0, expression={"mouth_open": 0.8}, light={"azimuth": -40.0})
    np.testing.assert_allclose(np.asarray(result.image), shown, atol=1)
    assert result.recipe["options"]["method"] == "rig"
    assert torch.equal(result.code.w_plus, session.embedded.w_plus)
    assert len(run(moving.sweep("yaw", 4))) == 4 and moving.overlay(64).shape == (64, 64, 3)
    with pytest.raises(BadRequest, match="Give -20 to 20"):
        moving.image(yaw=45.0)


def test_slider_and_result_agree(session):
    """What a slider shows is what is kept; at rest it shows the embedded portrait."""
    still = session.image()
    made = session.pack.generator.synthesis(session.embedded.w_plus).clamp(-1, 1)
    assert np.abs(still - ((made[0].permute(1, 2, 0).numpy() + 1) * 127.5)).max() <= 0.51
    moved = session.image(yaw=12.0, strength=0.5, expression="smile")
    assert np.abs(moved.astype(int) - still).max() > 0
    result = run(session.result(yaw=12.0, strength=0.5, expression="smile"))
    assert np.abs(moved.astype(int) - np.asarray(result.image)).max() <= 1
    assert session.controls == ("smile", "mouth_open", "brow_raise", "eye_open", "frown")
    assert np.array_equal(session.image(expression={"smile": 0.0}), still)
    assert len(session.angles) == 3 and -75 <= session.light.azimuth <= 75


def test_overlay_shows_the_fitted_face(session):
    overlay = session.overlay(128)
    assert overlay.shape == (128, 128, 3)
    marks = (session.reader.model.shares(session.embedded.target.reading.theta)[0] * 128).round().long()
    x, y = marks[30].tolist()
    assert overlay[y, x].tolist() == [90, 220, 120]


@pytest.mark.parametrize("name", SWEEP.choices)
def test_sweep(session, name):
    steps: list = []
    frames = run(session.sweep(name, 5), steps.append)
    assert len(frames) == 5 and all(f.shape == (SIDE, SIDE, 3) for f in frames)
    assert [s.index for s in steps] == [1, 2, 3, 4, 5] and steps[0].preview().shape == (SIDE, SIDE, 3)
    assert not np.array_equal(frames[1], frames[4])
    with pytest.raises(BadRequest):
        session.sweep("hair", 5)
    with pytest.raises(BadRequest):
        session.sweep(name, 1)


def test_a_sweep_of_the_light_keeps_the_light_asked_for(session, monkeypatch):
    asked = []
    still = np.zeros((2, 2, 3), np.uint8)
    monkeypatch.setattr(type(session), "image", lambda self, **pose: asked.append(pose) or still)
    run(session.sweep("light", 4, light={"strength": 0.7, "warmth": 0.9}, yaw=3.0))
    assert {(p["light"].strength, p["light"].warmth, p["yaw"]) for p in asked} == {(0.7, 0.9, 3.0)}
    assert {round(p["light"].azimuth) for p in asked} == {-60, 0, 60}


def test_copy_from_another(studio, monkeypatch):
    with pytest.raises(NoFaceFound, match="copy from"):
        run(studio.repose(portrait(1), like=portrait(2), preset=TINY))
    monkeypatch.setattr(repose, "shows_a_face", lambda pack, portrait: True)
    result = run(studio.repose(portrait(1), like=portrait(2), copy=("light",), preset=TINY))
    assert result.recipe["options"]["copy"] == ["light"] and set(result.recipe["photos"]) == {"face", "like"}
    assert "light error" in result.scores and "expression error" not in result.scores


def test_in_a_chain(studio):
    """After an edit the embedding starts from its picture; the photo stays what is pasted into."""
    first = run(studio.repose(portrait(1), yaw=8.0, preset=TINY))
    second = run(studio.repose(portrait(1), expression="open mouth", preset=TINY, previous=first))
    assert [step["options"]["expression"] for step in second.recipe["chain"]] == [None]
    assert second.recipe["options"]["expression"] == "open mouth"
    hair = run(studio.transfer(portrait(1), hair_shape=portrait(3), previous=second, preset="fast"))
    assert len(hair.recipe["chain"]) == 2


def test_cached(pack, tmp_path):
    studio, stages = Studio(pack, cache=CodeCache(tmp_path)), []
    first = run(studio.repose(portrait(4), yaw=5.0, preset=TINY))
    second = run(studio.repose(portrait(4), yaw=5.0, preset=TINY), lambda s: stages.append(s.stage))
    assert not any(stage.startswith("embed") for stage in stages)
    assert np.array_equal(np.asarray(first.image), np.asarray(second.image))


def test_without_a_rig(tmp_path):
    """A pack that nobody trained a rig for: the edit by optimization, said so; no live sliders."""
    studio = Studio(open_pack(write_small_rig(tmp_path, rig=False), device="cpu"), cache=False)
    stages: list = []
    result = run(studio.repose(portrait(1), yaw=9.0, preset=TINY), lambda s: stages.append(s.stage))
    assert "optimize pose" in stages and result.recipe["options"]["method"] == "optimize"
    assert any("no trained rig" in notice for notice in result.notices)
    with pytest.raises(BadRequest, match="rig train --pack small"):
        run(studio.repose(portrait(1), yaw=9.0, method="rig", preset=TINY))
    with pytest.raises(BadRequest, match="live"):
        run(studio.rig(portrait(1), TINY)).image(yaw=5.0)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"yaw": 90.0},
        {"pitch": float("nan")},
        {"roll": "left"},
        {"yaw": True},
        {"expression": "anger"},
        {"expression": 3},
        {"light": {"azimuth": 400}},
        {"light": {"colour": 1}},
        {"yaw": 5.0, "method": "magic"},  # noqa: E501
        {"yaw": 5.0, "preset": "best"},
        {"yaw": 5.0, "seed": 0.5},
        {"yaw": 5.0, "like": "x.jpg"},
        {"like": portrait(2), "copy": ("hair",)},
        {"like": portrait(2), "copy": ()},
        {"yaw": 5.0, "previous": 3},  # noqa: E501
    ],
    ids=str,
)
def test_bad_requests(studio, wrong):
    """Raised at once, before any work."""
    with pytest.raises(BadRequest) as caught:
        studio.repose(portrait(1), **wrong)
    assert caught.value.what and caught.value.remedy


def test_bad_strength_and_control(session):
    with pytest.raises(BadRequest):
        session.image(expression="smile", strength=7)
    with pytest.raises(BadRequest, match="jaw"):
        session.image(expression={"jaw": 1.0})
    with pytest.raises(BadRequest):
        session.result()


def test_no_face_model(tmp_path):
    studio = Studio(open_pack(write_small_pack(tmp_path), device="cpu"), cache=False)
    with pytest.raises(FaceModelMissing, match="download"):
        studio.repose(portrait(1), yaw=5.0)


def test_request_and_repeat(studio, tmp_path, monkeypatch):
    """As the page and the command line ask; the recipe repeats to the same picture."""
    monkeypatch.setitem(pie_presets.PRESETS, "fast", replace(TINY, name="fast"))
    path = tmp_path / "me.png"
    picture(6).save(path)
    options = {"yaw": 7.0, "expression": {"smile": 0.4}, "light": {"azimuth": 20.0}}
    done = run(jobs.start(studio, "repose", {"face": str(path)}, options)).value
    again = run(jobs.replay(studio, done.recipe, [str(path)])).value
    assert np.array_equal(np.asarray(done.image), np.asarray(again.image))
    assert done.recipe["operation"] == "repose" and done.recipe["options"]["light"] == {"azimuth": 20.0}


def test_command_line(folder, pack, tmp_path):
    path, out = tmp_path / "me.png", tmp_path / "turned.png"
    Image.fromarray(portrait(6).image).save(path)
    common = ("--pack", folder / "pack.toml", "--device", "cpu", "--quiet")
    done = cli(tmp_path, "pose", path, "--yaw", 9, "--light", "azimuth=30", "--json", "-o", out, *common)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert out.is_file() and told["scores"]["turned"] and told["recipe"]["options"]["yaw"] == 9
    swept = cli(tmp_path, "pose", path, "--sweep", "yaw", "--frames", 4, "-o", "s.gif", *common)
    assert swept.returncode == 0, swept.stderr
    with Image.open(tmp_path / "s.gif") as animation:
        assert animation.n_frames >= 4
    bad = cli(tmp_path, "pose", path, "--yaw", 400, *common)
    assert bad.returncode == 2 and "degrees" in bad.stderr and "Traceback" not in bad.stderr


@pytest.mark.slow
def test_evaluation(pack):
    from barbershop_core.evaluation import pose

    table = run(pose.pose(pack, portraits=1, preset=TINY, rows=("full", "no_edit", "optimize")))
    assert set(table["rows"]) == {"full", "no_edit", "optimize"} and table["scored"] == 1
    row = table["rows"]["full"]
    for name in ("yaw_deg", "pitch_deg", "expression", "light", "identity", "lpips", "others", "stays"):
        assert np.isfinite(row[name]), name
    assert table["rows"]["optimize"]["stays"] is None
    # the truth, judged as an edit: no distance to itself
    assert table["ceiling"]["lpips"] == 0 and table["ceiling"]["stays"] is None
    first, longer = pose.cases(1, 3, 64), pose.cases(2, 3, 64)
    assert np.array_equal(first[0].p, longer[0].p) and np.array_equal(first[0].face.image, longer[0].face.image)
    for bad in ({"portraits": 0}, {"seed": -1}, {"rows": ("full", "none")}, {"preset": "best"}):
        with pytest.raises(BadRequest):
            pose.pose(pack, **bad)


@pytest.mark.slow
def test_the_studio_packs_rig_turns_heads():
    """The shipped rig on a portrait of the world: turned by what was asked, still the same person."""
    from barbershop_core.world import params
    from barbershop_core.world.render import render

    p = params.sample(1, 750_001)[0]
    p[params.indices("pose")] = 0.0
    studio = Studio(open_pack("studio", device="cpu"), cache=False)
    session = run(studio.rig(studio.read(render(p, 128).image)))
    for yaw in (-15.0, 15.0):
        scores = run(session.result(yaw=yaw)).scores
        assert abs(scores["turned"]["yaw"] - yaw) < 6 and scores["identity"] > 0.75, scores
    turned = run(session.result(yaw=10.0, method="optimize")).scores["turned"]["yaw"]
    assert 5 < turned < 15
    smiling = run(session.result(expression="smile")).scores
    assert smiling["expression error"] < 0.6 and smiling["identity"] > 0.75
    assert torch.isfinite(session.embedded.w_plus).all()
