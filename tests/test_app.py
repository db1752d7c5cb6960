"""The page without a browser: what it loads, what it promises, what its handlers answer."""

import ast
import io
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_pack import write_small_pack
from small_page import filled, small_page
from small_rigged import add_rig
from small_words import add_words

from barbershop_core.editing.recipe import read as read_recipe
from barbershop_core.errors import BadRequest, NoFaceFound

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def modules(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    with small_page(folder / "no pack", folder) as found:
        yield found


@pytest.fixture
def photo(tmp_path):
    def make(seed: int, size=(120, 160)) -> str:
        noise = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
        path = tmp_path / f"{seed}.png"
        Image.fromarray(noise).resize(size, Image.BICUBIC).save(path)
        return str(path)

    return make


@pytest.fixture
def small(tmp_path_factory):
    """The page on a small random pack."""
    folder = tmp_path_factory.mktemp("page")
    with small_page(write_small_pack(folder / "pack"), folder) as found:
        yield found


def test_importing_the_page_loads_nothing_heavy():
    heavy = {"torch", "torchvision", "mediapipe", "lpips", "cv2", "scipy"}
    code = f"import sys, app; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_the_core_knows_no_gradio():
    for path in (ROOT / "barbershop_core").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {n.split(".")[0] for n in names} & {"gradio", "spaces", "page", "app"}, path


PARAMETERS = {
    "/transfer_hair": "face hair_shape hair_color features_from features mask mode preset smooth seed face_index "
    "hair_structure nudge",
    "/swap_face": "face into preset seed face_index into_index nudge",
    "/edit_text": "face prompt method neutral alpha beta strength identity route preset seed face_index levels where "
    "nudge",
    "/direction_sliders": "face edits route preset face_index where nudge",
    "/repose": "face yaw pitch roll expression strength light like copy preset seed face_index like_index gaze nudge",
    "/align": "face size face_index nudge",
    "/parse": "face face_index nudge",
    "/embed": "face space preset face_index nudge",
}
"""Names and order, which programs rely on; new ones come at the end."""


def test_endpoints_and_their_parameters_stay(modules):
    named = modules.app.demo.get_api_info()["named_endpoints"]
    found = {name: " ".join(p["parameter_name"] for p in e["parameters"]) for name, e in named.items()}
    assert found == PARAMETERS and list(found) == list(PARAMETERS)
    needed = [p["parameter_name"] for p in named["/transfer_hair"]["parameters"] if not p["parameter_has_default"]]
    assert needed == ["face"]
    assert all(e["description"] for e in named.values())
    assert {name: len(e["returns"]) for name, e in named.items()} == {**dict.fromkeys(named, 3), "/align": 2}


def test_every_parameter_is_described(modules):
    """On the API page, by the Python client's view_api, and for MCP's clients."""
    from gradio.mcp import GradioMCPServer

    named = modules.app.demo.get_api_info()["named_endpoints"]
    tools = GradioMCPServer(modules.app.demo)
    for name, endpoint in named.items():
        function = tools.get_block_fn_from_endpoint_name(name)
        words, described = tools.get_fn_description(function, name[1:])
        assert words.startswith(endpoint["description"]) and "Returns: the " in words
        for parameter in endpoint["parameters"]:
            told = parameter["python_type"]["description"]
            assert told and told.endswith((".", "none")) and told == described[parameter["parameter_name"]]
        schema, _ = tools.get_input_schema(name[1:], described)
        for parameter, kind in schema["properties"].items():
            assert isinstance(kind["type"], str), (name, parameter)  # {} is no JSON schema


def test_one_place_for_all_that_computes_and_nothing_is_recorded(modules):
    app, endpoints, words, rig = modules.app, modules.endpoints, modules.words, modules.rig
    heavy = {modules.hair.run_transfer, modules.hair.run_swap, modules.hair.prepare_mask}
    heavy |= {words.add, words.keep, words.compare, words.run, rig.open_rig, rig.keep, rig.overlay, rig.copy}
    heavy |= {rig.animate, endpoints.transfer_hair, endpoints.swap_face, endpoints.edit_text}
    heavy |= {endpoints.direction_sliders, endpoints.repose}
    found = {f.fn: (f.concurrency_id, f.concurrency_limit) for f in app.demo.fns.values() if f.fn in heavy}
    assert set(found) == heavy and set(found.values()) == {("gpu", None)}  # one at a time by page.line
    live = [f for f in app.demo.fns.values() if f.fn in (words.move, rig.move)]
    assert {(f.concurrency_id, f.concurrency_limit) for f in live} == {("live", 1)}
    assert {f.trigger_mode for f in live} == {"always_last"}  # of many moves only the last is drawn
    assert app.demo.analytics_enabled is False and app.demo.delete_cache == (3600, 3600)
    assert app.demo._queue.max_size == 500
    kinds = {type(block).__name__ for block in app.demo.blocks.values()}
    assert "Tabs" in kinds and not any("flag" in kind.lower() for kind in kinds)


def test_outputs_that_carry_pictures_are_lossless(modules):
    for name in ("slider", "pasted", "mask", "preview", "editor", "history", "grid", "overlay"):
        assert getattr(modules.ui, name).format == "png", name


def test_parts_on_the_page_are_regions_of_the_core(modules):
    from barbershop_core.editing.regions import REGIONS

    assert set(modules.hair.FEATURES) < set(REGIONS)
    assert {mode for _, mode in modules.ui.mode.choices} == {"realistic", "fidelity"}


def test_expected_time_is_the_measured_one(modules, tmp_path):
    from page.pace import Pace, Paces

    stored = tmp_path / "times.json"
    stored.write_text(json.dumps({"fast": "About 12 s on two cores."}))
    kept = Paces(lambda: tmp_path / "kept.json")
    times = modules.times.Times(stored, kept=kept)
    assert times.words("fast") == "About 12 s on two cores."
    assert "No run" in times.words("paper")
    now = iter((0.0, 34.4))
    kept.note("transfer of three photos", Pace([], lambda: next(now)), "fast")
    assert "34 s" in times.words("fast")
    assert "12 s" in modules.times.Times(stored, kept=Paces(lambda: tmp_path / "none.json")).words("fast")


def test_stored_times_come_from_the_examples():
    from barbershop_core.evaluation.examples import passes, times

    assert passes("released") == 3 * 1350 + 160 + 140 + 2 * 100 + 400
    assert passes("fast") * 5 < passes("released") < passes("paper")  # whose II2S comes before its 400 iterations
    rows = [{"hair_shape": "a", "hair_color": "b", "scores": {"seconds": {"total": s}}} for s in (10.0, 20.0)]
    rows += [{"hair_shape": "a", "scores": {"seconds": {"total": 1.0}}}]  # two photos only: not counted
    lines = times(rows, "this machine")
    assert lines["fast"].startswith("About 15 s ") and set(lines) == {"fast", "released", "paper"}


def test_what_is_missing_is_said_before_any_work(modules):
    page, ui = modules.hair, modules.ui

    def wanted(**slots):
        photos = {getattr(ui, role).image: path for role, path in slots.items() if role != "nose"}
        return page.wanted(filled(page.form(), photos | {ui.sources["nose"]: slots.get("nose", "keep")}))

    with pytest.raises(BadRequest, match="person is missing"):
        wanted(hair_shape="x.png")
    with pytest.raises(BadRequest, match="nothing to change"):
        wanted(face="x.png")
    with pytest.raises(BadRequest, match="nose should come from the photo A"):
        wanted(face="x.png", nose="photo A")
    assert wanted(face="x.png", hair_structure="y.png")[1]["hair_structure"] == ("y.png", None)
    options, photos = wanted(face="x.png", extra_b="y.png", nose="photo B")
    assert options["regions"] == {"nose": "extra_b"} and photos["extra_b"] == ("y.png", None)


def test_paint_of_another_size_lands_in_place(modules):
    page = modules.hair
    labels = np.zeros((64, 64), np.uint8)
    labels[20:50] = 1
    layer = np.zeros((512, 512, 4), np.uint8)
    hair = (150, 80, 200)
    layer[:80] = (*hair, 255)
    layer[80:160] = (*hair, 90)  # a faint rim of the brush is not paint
    painted = page.painted_mask({"layers": [layer]}, {"labels": labels})
    assert (painted[:10] == 12).all() and (painted[10:] == labels[10:]).all()
    assert page.painted_mask({"layers": [np.zeros((512, 512, 4), np.uint8)]}, {"labels": labels}) is None
    assert page.painted_mask(None, None) is None
    with pytest.raises(BadRequest, match="belongs to no photo"):
        page.painted_mask({"layers": [layer]}, None)
    layer[:] = (24, 26, 32, 255)  # everything painted away
    with pytest.raises(BadRequest, match="empty"):
        page.painted_mask({"layers": [layer]}, {"labels": labels})


def test_errors_are_shown_as_they_stand_and_unknown_ones_hidden(modules, caplog):
    page = modules.gpu
    assert page.sentence(NoFaceFound("No face here.")) == str(NoFaceFound("No face here."))
    assert page.sentence(ZeroDivisionError("division by zero")) == page.UNKNOWN
    assert "division by zero" in caplog.text  # for whoever runs the server


def test_an_unusable_photo_is_explained_and_keeps_its_place(small, tmp_path):
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"\xff\xd8\xff\xe0 not really")
    slot = small.ui.hair_shape
    seen = slot.look(str(bad))
    assert "problem" in seen[slot.note] and seen[slot.faces]["visible"] is False
    assert slot.look(None)[slot.note] == ""


def test_closing_a_run_ends_the_work(small, photo):
    photos = {"face": (photo(0), None), "hair_shape": (photo(1), None)}
    running = small.gpu.run(small.edits.edit, small.gpu.Task("transfer", photos, {"preset": "paper"}))
    kinds = [next(running)[0] for _ in range(4)]
    assert kinds == ["step"] * 4
    running.close()
    with pytest.raises(StopIteration):
        next(running)


def test_work_can_be_sent_to_another_process(modules):
    """As on ZeroGPU, which pickles what a function is called with."""
    task = modules.gpu.Task("rig", {"face": ("me.png", None)}, {"preset": "fast"}, key=("visit", "id", None))
    for work in (modules.edits.edit, modules.edits.target_mask, modules.sessions.keep_rig):
        assert pickle.loads(pickle.dumps((work, task))) == (work, task)


def test_examples_are_optional_and_complete_where_they_are(modules, monkeypatch, tmp_path):
    page = modules.examples
    for row in page.examples():
        assert all(Path(row[k]).is_file() for k in ("face", "result"))
    monkeypatch.setattr(modules.files, "ASSETS", tmp_path)
    assert page.examples() == []


def serve(app):
    _, url, _ = app.demo.launch(prevent_thread_lock=True, quiet=True, ssr_mode=False, share=False)
    yield url
    app.demo.close()


@pytest.fixture
def server(small):
    yield from serve(small.app)


def test_api_round_trip(server, small, photo, tmp_path):
    from gradio_client import Client, handle_file
    from gradio_client.exceptions import AppError

    client = Client(server, verbose=False, download_files=str(tmp_path))
    portrait, whole, info = client.predict(
        face=handle_file(photo(0)),
        hair_shape=handle_file(photo(1)),
        features_from=handle_file(photo(2)),
        features="nose, eyes",
        seed=5,
        hair_structure=handle_file(photo(3)),
        api_name="/transfer_hair",
    )
    assert set(info["recipe"]["photos"]) == {"face", "hair_shape", "hair_structure", "extra_a"}
    assert Image.open(portrait).size == (64, 64) and Image.open(whole).size == (120, 160)
    assert read_recipe(portrait) == info["recipe"] and info["recipe"]["options"]["seed"] == 5
    assert info["recipe"]["options"]["regions"] == {"nose": "extra_a", "eyes": "extra_a"}
    assert -1 <= info["scores"]["identity"] <= 1
    assert info["notices"]

    # the picture is what the library makes from the same photos
    portrait, whole, info = client.predict(
        face=handle_file(photo(0)), into=handle_file(photo(1)), api_name="/swap_face"
    )
    assert info["recipe"]["operation"] == "swap_face"
    from barbershop_core import run

    studio = small.gpu.studio()
    direct = run(studio.swap_face(face=studio.read(photo(0)), into=studio.read(photo(1))))
    assert (np.asarray(Image.open(portrait)) == np.asarray(direct.image)).all()

    for arguments, word in (
        ({"face": handle_file(photo(0))}, "nothing"),
        ({"face": handle_file(photo(0)), "hair_shape": handle_file(photo(1)), "features": "tail"}, "tail"),
        ({"face": handle_file(photo(0)), "hair_shape": handle_file(photo(1)), "face_index": 4}, "face"),
    ):
        with pytest.raises(AppError, match=word) as refused:
            client.predict(**arguments, api_name="/transfer_hair")
        assert "Traceback" not in str(refused.value)


@pytest.fixture
def spoken(tmp_path_factory):
    """The page's server on a small pack that knows words and has a rig."""
    folder = tmp_path_factory.mktemp("page")
    with small_page(add_rig(add_words(write_small_pack(folder / "pack"))), folder) as found:
        yield from serve(found.app)


def test_words_and_rig_by_the_api(spoken, photo, tmp_path):
    from gradio_client import Client, handle_file
    from gradio_client.exceptions import AppError

    from barbershop_core import run
    from page import gpu

    client = Client(spoken, verbose=False, download_files=str(tmp_path))
    me, studio = handle_file(photo(0)), gpu.studio()
    portrait, whole, info = client.predict(
        face=me, prompt="blond hair", neutral="hair", alpha=6, beta=0.02, api_name="/edit_text"
    )
    assert read_recipe(portrait) == info["recipe"] and Image.open(whole).size == (120, 160)
    assert info["scores"]["channels"]["blond hair"] > 0
    direct = run(studio.edit_text(studio.read(photo(0)), "blond hair", neutral="hair", alpha=6.0, beta=0.02))
    assert (np.asarray(Image.open(portrait)) == np.asarray(direct.image)).all()

    edits = [{"target": "blond hair", "neutral": "hair", "alpha": 3, "beta": 0.02}, {"target": "a beard"}]
    _, _, info = client.predict(face=me, edits=edits, api_name="/direction_sliders")
    assert [e["target"] for e in info["recipe"]["options"]["edits"]] == ["blond hair", "a beard"]

    light = {"azimuth": -40, "elevation": 20}
    portrait, _, info = client.predict(face=me, yaw=10, expression="smile", light=light, api_name="/repose")
    assert info["recipe"]["options"]["yaw"] == 10 and info["recipe"]["options"]["light"]["azimuth"] == -40
    direct = run(studio.repose(studio.read(photo(0)), yaw=10.0, expression="smile", light=light))
    assert (np.asarray(Image.open(portrait)) == np.asarray(direct.image)).all()

    for name, arguments, word in (
        ("/edit_text", {"prompt": "   "}, "prompt"),
        ("/edit_text", {"prompt": "a", "alpha": 99}, "alpha"),
        ("/edit_text", {"prompt": "no such", "method": "mapper"}, "no mapper"),
        ("/edit_text", {"prompt": "/etc/passwd.pt", "method": "mapper"}, "no mapper"),
        ("/direction_sliders", {"edits": []}, "not a list"),
        ("/direction_sliders", {"edits": [{"neutral": "hair"}]}, "no target"),
        ("/direction_sliders", {"edits": [{"target": "a", "alpha": "much"}]}, "numbers"),
        ("/direction_sliders", {"edits": [{"target": "a", "beta": 7}]}, "beta"),
        ("/repose", {"yaw": 170}, "yaw"),
        ("/repose", {"expression": "bored"}, "bored"),
        ("/repose", {"light": {"colour": 3}}, "colour"),
        ("/repose", {}, "Nothing was asked"),
        ("/repose", {"like": handle_file(photo(1))}, "shows no face"),
    ):
        with pytest.raises(AppError, match=word) as refused:
            client.predict(face=me, **arguments, api_name=name)
        assert "Traceback" not in str(refused.value) and "inside the program" not in str(refused.value)
    portrait, _, info = client.predict(face=me, prompt="long " * 2000, api_name="/edit_text")
    assert any("too long" in notice for notice in info["notices"])


def test_readme_says_how_to_start_and_test():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    lines = text.splitlines()
    assert "pip install -r requirements.txt && python app.py" in lines
    assert "pip install -r requirements.txt -r tests/requirements.txt && pytest" in lines
    front = text.split("---")[1]
    assert 'python_version: "3.12"' in front and "app_file: app.py" in front and "license: mit" in front
    short = next(line for line in front.splitlines() if line.startswith("short_description:"))
    assert len(short.partition(":")[2].strip()) <= 60
    assert os.access(ROOT / "LICENSE", os.R_OK)


def test_recipe_travels_in_the_bytes():
    from barbershop_core.editing.picture_file import encode

    data = encode(Image.new("RGB", (8, 8)), {"format": 2, "operation": "transfer", "options": {"seed": 1}})
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()
        assert json.loads(picture.text["barbershop"])["options"]["seed"] == 1


def test_calls_without_the_last_parameters_get_their_defaults(modules):
    from page.api.missing import completed

    endpoints = modules.endpoints
    assert completed(endpoints.parse, ["me.jpg"]) == ["me.jpg", -1, None]
    assert completed(endpoints.parse, ["me.jpg", 1]) == ["me.jpg", 1, None]
    assert completed(endpoints.parse, []) == []  # the photo has no default
