"""Tables are the same, whoever scores: this process, two others, or actors of a Ray cluster."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from small_rigged import TINY_PIE
from small_studio import TINY

from barbershop_core import run
from barbershop_core.errors import BadRequest, PackageMissing
from barbershop_core.evaluation import hair, pairs, photos, pose, words
from barbershop_core.evaluation.scoring import Workers
from barbershop_core.evaluation.triples import triples

SECONDS = {"seconds", "opens", "stages"}


def timeless(table):
    """Without the columns that depend on the machine."""
    if isinstance(table, dict):
        return {k: timeless(v) for k, v in table.items() if k not in SECONDS}
    return [timeless(part) for part in table] if isinstance(table, list) else table


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three portraits, and a file that is none."""
    folder = tmp_path_factory.mktemp("portraits")
    for number, triple in enumerate(triples(3, 4, 64)):
        Image.fromarray(triple.face.image).save(folder / f"{number}.png")
    (folder / "broken.jpg").write_bytes(b"no photo")
    return folder


HAIR, PAIRS = (hair.hair, {"pairs": 3, "seed": 1, "preset": TINY}), (pairs.pairs, {"preset": TINY})
PROMPTS = {"methods": ("directions", "mapper"), "prompts": ("curly hair", "blond hair")}
TEXT = words.text, {"portraits": 2, "preset": replace(TINY.inversion, name="fast")} | PROMPTS
POSE = pose.pose, {"portraits": 3, "preset": TINY_PIE, "rows": ("full", "optimize")}
PHOTOS = photos.photos, {"preset": TINY, "rows": ("own hair", "other hair"), "limit": 3}
TABLES = {"hair": HAIR, "text": TEXT, "pose": POSE, "photos": PHOTOS, "pairs": PAIRS}
CASES = [(name, Workers(2)) for name in TABLES] + [("pairs", Workers(2, "local"))]


@pytest.mark.slow
@pytest.mark.parametrize("name, others", CASES, ids=lambda case: case if isinstance(case, str) else case.ray or "2")
def test_figures_do_not_depend_on_the_workers(rigged_pack, folder, tmp_path, name, others):
    if others.ray:
        pytest.importorskip("ray")
    evaluate, options = TABLES[name]
    place = (folder,) if name in ("photos", "pairs") else ()
    found, sheets, steps = [], [], []
    for count, workers in enumerate((Workers(), others), 1):
        sheet = tmp_path / f"{count}.png"
        steps = []
        found.append(run(evaluate(rigged_pack, *place, **options, sheet=sheet, workers=workers), steps.append))
        with Image.open(sheet) as picture:
            sheets.append(np.asarray(picture))
    alone, others = (json.dumps(timeless(table), default=str) for table in found)
    assert alone == others and np.array_equal(*sheets)
    assert json.dumps(found[0], default=str) != json.dumps(found[1], default=str)  # the seconds
    counted = [step.index for step in steps if step.index]
    assert counted == list(range(1, steps[-1].total + 1))  # of other workers, each item's only step


@pytest.mark.parametrize("name", TABLES)
def test_the_command_passes_the_workers_on(rigged_pack, folder, monkeypatch, name):
    from barbershop_core.__main__ import parser

    asked = {}
    evaluate, _ = TABLES[name]
    monkeypatch.setattr(sys.modules[evaluate.__module__], evaluate.__name__, lambda *_, **given: asked.update(given))
    place = [str(folder)] if name in ("photos", "pairs") else []
    words = "--workers 3 --ray auto --gpus-per-worker 0.5".split()
    options = parser().parse_args(["evaluate", name, *place, *words])
    options.table(rigged_pack, options, {})
    assert asked["workers"] == Workers(3, "auto", 0.5)


def test_failures_are_told_by_other_processes_too(rigged_pack, monkeypatch):
    drawn = list(triples(2, 1, rigged_pack.working_size))
    blank = type(drawn[0].face)(np.zeros((4, 4, 3), np.uint8), *[None] * 4)
    broken = type(drawn[0])(blank, *[blank] * 3)
    monkeypatch.setattr(hair, "triples", lambda *_: iter([broken, drawn[1]]))
    found = [run(hair.hair(rigged_pack, 2, seed=1, preset=TINY, workers=Workers(count))) for count in (1, 2)]
    assert found[0]["failures"] == found[1]["failures"] and found[1]["scored"] == 1
    assert found[1]["failures"][0]["pair"] == 0


def test_other_workers_are_refused_as_in_a_batch(rigged_pack, monkeypatch):
    with pytest.raises(BadRequest, match="0 workers"):
        run(hair.hair(rigged_pack, 1, preset=TINY, workers=Workers(0)))
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(PackageMissing):
        run(hair.hair(rigged_pack, 1, preset=TINY, workers=Workers(1, "auto")))
