"""ZeroGPU: forked children, emulated CUDA, slices of seconds, refusals in words; and the package spaces elsewhere."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
import torch
from forked import PATIENCE, Forked
from small_pack import write_small_pack
from small_page import filled, last, refused, small_page
from small_rigged import add_rig
from small_words import add_words

from barbershop_core import photo as portraits
from barbershop_core.editing.recipe import read as read_recipe
from barbershop_core.editing.recipe import steps
from barbershop_core.errors import BadRequest, NoFaceFound
from barbershop_core.photo import landmarker
from barbershop_core.weights.manifest import PACKS
from page import zero_gpu

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    return add_rig(add_words(write_small_pack(tmp_path_factory.mktemp("pack"))))


@pytest.fixture
def page(manifest, tmp_path, monkeypatch):
    """The page, its computation in a forked child; ``child`` is that."""
    monkeypatch.setattr(zero_gpu, "_longest", {})
    with small_page(manifest, tmp_path) as modules:
        modules.child = Forked(modules.gpu._compute, lambda work, task, kind, arguments: zero_gpu.seconds(kind))
        monkeypatch.setattr(modules.gpu, "_compute", modules.child)
        yield modules
        modules.child.end()


def opened(studio, task):
    """Work that tells what is open in the process that does it."""
    from page import sessions

    yield from ()
    return {"process": os.getpid(), "open": sorted(key[0] for key in sessions.cache._kept)}


def test_hair_words_sliders_and_rig_share_one_child(page, session, photo):
    ui, me = page.ui, photo(0)
    form = filled(page.hair.form(), {ui.face.image: me, ui.hair_shape.image: photo(1)})
    assert len(last(page.hair.run_transfer(form, session))[ui.history]["value"]) == 2

    slots = filled(page.words.sliders(), {ui.beta[0]: 0.02})
    asked = filled(ui.face.inputs, {ui.face.image: me, ui.prompt: "glasses", ui.neutral: ""})
    before = last(page.words.add(slots | asked, session))[ui.preview]["value"]
    slots[ui.slots] = [{"target": "glasses", "neutral": ""}]
    moved = page.words.move(slots | {ui.alpha[0]: -6.0}, session)
    assert "Repainted" in moved[ui.live_note] and (moved[ui.preview]["value"] != before).any()
    last(page.words.keep(slots, session))
    mapped = {ui.face.image: me, ui.method: "mapper", ui.mapper: "curly hair"}
    last(page.words.run(filled(page.words.form(), mapped), session))

    ready = last(page.rig.open_rig(filled({*ui.face.inputs, ui.rig_preset}, {ui.face.image: me}), session))
    posed = filled(page.rig.controls(), {ui.prepared: ready[ui.prepared], ui.pose["yaw"]: 12, ui.rig_method: "rig"})
    moved = page.rig.move(posed, session)
    assert "Repainted" in moved[ui.rig_note]
    assert (moved[ui.slider]["value"][1] != ready[ui.slider]["value"][1]).any()
    kept = last(page.rig.keep(posed, session))
    recipe = read_recipe(kept[ui.crop_file]["value"])
    assert [step["operation"] for step in steps(recipe)] == ["transfer", "edit_text", "edit_text", "repose"]

    there = page.gpu.at_once(opened, page.gpu.Task("rig", {}))
    assert there == {"process": page.child._child.pid, "open": ["direction_sliders", "rig"]}
    assert not page.sessions.cache._kept and there["process"] != os.getpid()
    assert all(zero_gpu.LEAST <= seconds <= zero_gpu.MOST for seconds in page.child.asked)


def test_what_a_child_refuses_arrives_in_words(page, session, photo):
    ui = page.ui
    form = {ui.face.image: photo(5), ui.like.image: photo(6), ui.copied: ["pose"]}
    assert "shows no face" in refused(page.rig.copy(filled(page.rig.copy_form(), form), session))
    with pytest.raises(gr.Error, match="There is no operation 'sing'"):
        list(page.gpu.run(page.edits.edit, page.gpu.Task("sing", {})))


def test_a_photo_without_landmarks_is_read_by_the_child(page, monkeypatch, photo):
    """Only there is the parser at hand, which may know the picture for a rendered portrait."""
    here, read = os.getpid(), portraits.read

    def blind(*arguments, **more):
        if os.getpid() == here:
            raise NoFaceFound("No face was found.")
        return read(*arguments, **more)

    known = page.gpu.read(photo(0))
    monkeypatch.setattr(portraits, "read", blind)
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    found = page.gpu.read(photo(0))
    assert found.digest == known.digest and len(page.child.asked) == 1


def test_a_forked_child_finds_faces_and_computes():
    """MediaPipe's and OpenMP's threads stay in the parent; work that is given to them never ends."""
    model, picture = PACKS / "studio" / "face_landmarker.task", np.zeros((64, 64, 3), np.uint8)
    try:
        landmarker.open_landmarker(model).detect(picture)
    except landmarker.LandmarkerUnavailable as why:
        pytest.skip(str(why))
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    big = torch.rand(512, 512)

    def work():
        zero_gpu.in_child()
        (big @ big).sigmoid().sum()
        landmarker.open_landmarker(model).detect(picture)

    try:
        (big @ big).sigmoid().sum()
        child = multiprocessing.get_context("fork").Process(target=work)
        child.start()
        child.join(PATIENCE)
    finally:
        torch.set_num_threads(threads)
    if child.is_alive():
        child.kill()
    assert child.exitcode == 0


def test_slices_follow_what_was_measured(page, monkeypatch):
    kind = ("edit", "transfer", 3)
    assert zero_gpu.seconds(("edit", "transfer", 9)) == zero_gpu.MOST
    assert zero_gpu.seconds(("move_rig", "rig", 1)) < zero_gpu.seconds(kind) <= zero_gpu.MOST
    for took in (20.0, 3.0):  # the second time the photos were known
        zero_gpu.note(kind, took)
    assert zero_gpu.seconds(kind) == zero_gpu.START + zero_gpu.MARGIN * 20
    zero_gpu.note(kind, 1000.0)
    assert zero_gpu.seconds(kind) == zero_gpu.MOST
    page.gpu.at_once(opened, page.gpu.Task("rig", {}))
    assert zero_gpu._longest[("opened", "rig", 0)] < 60


def test_a_call_that_was_cut_off_asks_for_more(page, monkeypatch):
    def cut(*arguments):
        raise gr.Error("GPU task aborted", title="ZeroGPU worker error")
        yield

    monkeypatch.setattr(page.gpu, "_compute", cut)
    asked = [zero_gpu.seconds(("edit", "transfer", 0))]
    for _ in range(4):
        with pytest.raises(gr.Error) as error:
            list(page.gpu.run(page.edits.edit, page.gpu.Task("transfer", {})))
        assert "Try again" in page.gpu.sentence(error.value)
        asked.append(zero_gpu.seconds(("edit", "transfer", 0)))
    assert asked[0] < asked[1] < asked[2] and asked[-1] == zero_gpu.MOST


@pytest.mark.parametrize(
    "title, message, said",
    [
        ("ZeroGPU illegal duration", "The requested GPU duration (240s) is larger", "Use fewer photos"),
        (
            "ZeroGPU quota exceeded",
            "You have exceeded your free quota (60s requested vs. 9s left). Try again in 3:20:01. Subscribe",
            "Try again in 3:20:01.",
        ),
        ("ZeroGPU quota exceeded", "Space app has reached its GPU limit.", "Sign in"),
        ("ZeroGPU queue timeout", "No GPU was available after 60s", "Try again in a minute"),
        ("Error", "The photo is missing.", "The photo is missing."),
    ],
)
def test_refusals_are_explained(title, message, said):
    from page import gpu

    words = gpu.sentence(gr.Error(message, title=title))
    assert said in words and "requested" not in words


def test_only_the_fast_preset_is_offered(page, monkeypatch, photo):
    assert zero_gpu.presets() == ("fast", "released", "paper")
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    assert zero_gpu.presets(("fast", "paper")) == ("fast",)
    task = page.gpu.Task("transfer", {"face": (photo(0), None)}, {"preset": "paper"})
    with pytest.raises(BadRequest, match="'paper' is not offered here"):
        list(page.gpu.run(page.edits.edit, task))
    assert page.child.asked == []


def python(code: str, manifest: Path, folder: Path, **more: str) -> str:
    """What a fresh process prints."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("BARBERSHOP_", "SPACES_", "GRADIO_"))}
    kept |= {"BARBERSHOP_PACK": str(manifest), "BARBERSHOP_CACHE": str(folder / "cache"), "HF_HUB_OFFLINE": "1"}
    kept |= {"GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_TEMP_DIR": str(folder / "gradio"), "OMP_NUM_THREADS": "1"}
    call = [sys.executable, "-c", code]
    done = subprocess.run(call, cwd=ROOT, env=kept | more, capture_output=True, text=True, timeout=800)
    assert done.returncode == 0, done.stderr
    return done.stdout


ELSEWHERE = """
import sys, app
assert "spaces" in sys.modules and "torch" not in sys.modules
_, url, _ = app.demo.launch(prevent_thread_lock=True, quiet=True, ssr_mode=False, share=False)
from gradio_client import Client, handle_file
me = handle_file("PHOTO")
portrait, _, info = Client(url, verbose=False).predict(
    face=me, prompt="blond hair", alpha=3, beta=0.02, api_name="/edit_text"
)
print(info["recipe"]["operation"], app.gpu.studio().pack.device)
app.demo.close()
"""


@pytest.mark.slow
def test_the_page_works_with_the_package_spaces_outside_a_space(manifest, tmp_path, photo):
    pytest.importorskip("spaces")
    said = python(ELSEWHERE.replace("PHOTO", photo(0)), manifest, tmp_path)
    assert "edit_text cpu" in said.splitlines()


ON_ZERO_GPU = """
import app
from page import gpu
from spaces.zero.decorator import decorated_cache
pack = gpu.studio().pack
roles = sorted(role for role in pack._open if role not in ("pnorm", "hair_projection", "fingerprint"))
print(*roles)
print(*{str(p.device) for role in roles for p in getattr(pack._open[role], "parameters", list)()})
print(len(set(decorated_cache.values())), [name for _, name in app.ui.preset.choices])
"""


@pytest.mark.slow
def test_on_zero_gpu_networks_are_opened_on_cuda_when_the_page_is_imported(manifest, tmp_path):
    """With the real package and its emulation of CUDA, which needs no GPU."""
    pytest.importorskip("spaces")
    emulated = {"SPACES_ZERO_GPU": "true", "SPACES_ZERO_DEVICE_API_URL": "http://127.0.0.1:9"}
    roles, devices, function = python(ON_ZERO_GPU, manifest, tmp_path, **emulated).strip().splitlines()
    assert {"generator", "parser", "identity", "perceptual", "encoder", "clip", "rignet"} <= set(roles.split())
    assert devices == "cuda:0"
    assert function == "1 ['fast']"
