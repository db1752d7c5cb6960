"""The facade: arguments, results, cache, recipes, memory, and (slow) the truth on the studio pack."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import ROOT
from PIL import Image
from small_studio import SIDE, picture, portrait
from tiny_presets import TINY

from barbershop_core import Studio, errors, open_pack, run
from barbershop_core.editing import recipe
from barbershop_core.inversion import embed
from barbershop_core.inversion.cache import CodeCache
from barbershop_core.stages import memory_errors


def test_importing_the_package_is_light():
    code = "import sys, barbershop_core; print(any(m in sys.modules for m in ('torch', 'gradio', 'numpy')))"
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"preset": "best"}, "fast, paper, released"),
        ({"mode": "nice"}, "realistic, fidelity"),
        ({"regions": {"tail": portrait(3)}}, "background, skin, brows"),
        ({"hair_shape": "photo.jpg"}, "studio.read"),
        ({"smooth": 1000}, "0 to 40"),
        ({"seed": 1.5}, "whole number"),
        ({"hair_shape": None}, "nothing to transfer"),
        ({"mask": np.zeros((8, 8), np.uint8)}, "empty"),
    ],
)
def test_mistakes_are_sentences_before_any_work(studio, arguments, words):
    given = {"hair_shape": portrait(2), **arguments}
    with pytest.raises(errors.BadRequest, match=words):
        studio.transfer(face=portrait(1), **given)


def test_unknown_space_and_preset_of_an_inversion(studio):
    with pytest.raises(errors.BadRequest, match="W, W\\+, FS"):
        studio.invert(portrait(1), space="S")
    with pytest.raises(errors.BadRequest, match="released"):
        studio.invert(portrait(1), preset="best")


def test_same_again_is_the_same_picture(studio, small_pack):
    def once():
        other = Studio(small_pack, cache=False)
        return run(other.transfer(face=portrait(1), hair_shape=portrait(2), hair_color=portrait(3), preset=TINY))

    a, b = once(), once()
    assert np.array_equal(np.asarray(a.image), np.asarray(b.image))
    assert torch.equal(a.code.feature, b.code.feature) and a.recipe == b.recipe


def test_cached_references_are_not_embedded_again(small_pack, tmp_path):
    cached = Studio(small_pack, cache=CodeCache(tmp_path))
    arguments = {"face": portrait(1), "hair_shape": portrait(2), "hair_color": portrait(3), "preset": TINY}
    first, again = [], []
    a = run(cached.transfer(**arguments), first.append)
    assert len(cached.cache) == 3
    b = run(cached.transfer(**arguments), again.append)
    worked = [s for s in again if s.stage.startswith("embed") and s.losses]
    assert any(s.stage.startswith("embed") and s.losses for s in first) and not worked
    assert np.array_equal(np.asarray(a.image), np.asarray(b.image))
    run(cached.transfer(**{**arguments, "hair_color": portrait(4)}), again.append)
    assert len(cached.cache) == 4


def test_cache_knows_the_numbers_of_a_preset(small_pack, tmp_path):
    cached = Studio(small_pack, cache=CodeCache(tmp_path))
    run(cached.invert(portrait(1), "W+", TINY.inversion))
    run(cached.invert(portrait(1), "W+", replace(TINY.inversion, l2=7.0)))
    run(cached.invert(portrait(1), "W", TINY.inversion))
    assert len(cached.cache) == 3


@pytest.mark.parametrize("space", ["W", "W+", "FS", "fs", "w+"])
def test_invert_and_render(studio, space):
    code = run(studio.invert(portrait(1), space=space, preset=TINY.inversion))
    assert code.space == space.upper()
    image = studio.render(code)
    assert image.shape == (SIDE, SIDE, 3) and image.dtype == np.uint8


def test_result_saves_its_recipe(studio, tmp_path):
    big = picture(5, 200)
    face = studio_photo(big)
    result = run(studio.transfer(face=face, hair_color=portrait(2), preset=TINY, seed=7))
    path = result.save(tmp_path / "out.png")
    with Image.open(path) as saved:
        assert saved.size == (200, 200)
    kept = recipe.read(path)
    assert kept == json.loads(json.dumps(result.recipe))
    assert kept["operation"] == "transfer" and kept["options"]["preset"] == "tiny" and kept["options"]["seed"] == 7
    assert kept["photos"] == {
        "face": {"digest": face.digest, "face": 0},
        "hair_color": {"digest": portrait(2).digest, "face": 0},
    }
    assert kept["pack"]["fingerprint"] == studio.pack.fingerprint and "torch" in kept["versions"]
    assert str(tmp_path) not in json.dumps(kept)
    assert Image.open(result.save(tmp_path / "crop.png", pasted=False)).size == (SIDE, SIDE)


def studio_photo(image: Image.Image):
    from barbershop_core import photo

    return photo.read(image, SIDE, None)


def test_no_recipe_is_a_sentence(tmp_path):
    plain, text = tmp_path / "plain.png", tmp_path / "text.png"
    picture(1).save(plain)
    text.write_text("no picture")
    for path, words in ((plain, "no recipe"), (text, "cannot be read"), (tmp_path / "none.png", "cannot be read")):
        with pytest.raises(errors.BadRequest, match=words):
            recipe.read(path)


def test_paste_is_optional_and_scores_are_complete(studio):
    result = run(studio.transfer(face=portrait(1), hair_color=portrait(2), preset=TINY, paste=False))
    assert result.pasted is None
    assert set(result.scores) == {"identity", "likeness", "iou", "reconstruction", "losses", "seconds"}
    assert -1 <= result.scores["identity"] <= 1.0001
    assert any("unlike what the pack" in notice for notice in result.notices)  # nothing here is a face


def test_memory_that_runs_out_is_a_sentence():
    def steps(error):
        yield 1
        raise error

    wording = "[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: not enough memory"
    for error in (torch.OutOfMemoryError("CUDA out of memory"), MemoryError(), RuntimeError(wording)):
        with pytest.raises(errors.OutOfMemory, match="smaller pack"):
            run(memory_errors(steps(error)))
    with pytest.raises(RuntimeError, match="a bug"):
        run(memory_errors(steps(RuntimeError("a bug"))))


def test_real_exhaustion_is_recognised():
    def steps():
        yield torch.empty(1 << 50)  # PyTorch's own error in its own words

    with pytest.raises(errors.OutOfMemory):
        run(memory_errors(steps()))


def test_previews_are_lazy_pictures(studio):
    shapes = set()

    def look(step):
        if step.preview is not None:
            shapes.add((step.preview().shape, str(step.preview().dtype)))

    run(studio.transfer(face=portrait(1), hair_shape=portrait(2), hair_color=portrait(3), preset=TINY), look)
    assert shapes == {((SIDE, SIDE, 3), "uint8")}


@pytest.mark.slow
def test_published_layout_at_1024(served_ffhq_pack, monkeypatch):
    from test_inversion import FAST as numbers

    monkeypatch.setattr(embed, "SAME_PICTURE", replace(embed.SAME_PICTURE, fs_steps=1))
    pack = open_pack(served_ffhq_pack.manifest, device="cpu")
    pack.working_size = pack.size  # what a GPU would do
    tiny = replace(
        TINY,
        align_steps=1,
        blend_steps=1,
        pose_steps=0,
        side=256,
        inversion=replace(numbers, w_plus_steps=1, fs_steps=1, start="mean", without_encoder=None),
    )
    from barbershop_core import photo

    faces = [photo.read(picture(seed, 256), pack.size, None) for seed in (1, 2)]
    result = run(Studio(pack, cache=False).transfer(face=faces[0], hair_color=faces[1], preset=tiny))
    assert result.image.size == (1024, 1024) and result.code.w_plus.shape == (1, 18, 512)
    assert np.isfinite(result.scores["identity"])
