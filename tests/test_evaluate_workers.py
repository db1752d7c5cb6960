"""Tables are the same, whoever scores: this process or others."""

from __future__ import annotations

import json
import pickle
import sys
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from tiny_presets import TINY, TINY_PIE

from barbershop_core import run
from barbershop_core.errors import BadRequest, BarbershopError, PackageMissing
from barbershop_core.evaluation import hair, pairs, photos, pose, scoring, words
from barbershop_core.evaluation.scoring import Workers
from barbershop_core.evaluation.triples import triples
from barbershop_core.workers import Outcome

SECONDS = {"seconds", "opens", "stages"}


def timeless(table):
    """Without the columns that depend on the machine."""
    if isinstance(table, dict):
        return {k: timeless(v) for k, v in table.items() if k not in SECONDS}
    return [timeless(part) for part in table] if isinstance(table, list) else table


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two portraits, and a file that is none."""
    folder = tmp_path_factory.mktemp("portraits")
    for number, triple in enumerate(triples(2, 4, 64)):
        Image.fromarray(triple.face.image).save(folder / f"{number}.png")
    (folder / "broken.jpg").write_bytes(b"no photo")
    return folder


HAIR, PAIRS = (hair.hair, {"pairs": 2, "seed": 1, "preset": TINY}), (pairs.pairs, {"preset": TINY})
PROMPTS = {"methods": ("directions", "mapper"), "prompts": ("curly hair", "blond hair")}
TEXT = words.text, {"portraits": 2, "preset": replace(TINY.inversion, name="fast")} | PROMPTS
POSE = pose.pose, {"portraits": 2, "preset": TINY_PIE, "rows": ("full", "optimize")}
PHOTOS = photos.photos, {"preset": TINY, "rows": ("own hair",)}
TABLES = {"hair": HAIR, "text": TEXT, "pose": POSE, "photos": PHOTOS, "pairs": PAIRS}


def by_pickle(given):
    """As another process gets it."""
    return pickle.loads(pickle.dumps(given))


@pytest.fixture
def elsewhere(monkeypatch) -> list:
    """Workers that know only what was pickled, and finish the items from the last to the first."""
    asked = []

    @contextmanager
    def pool(make, *others):
        def run(items):
            work = by_pickle(make)()
            for index, item in reversed(list(enumerate(items))):
                try:
                    yield Outcome(index, by_pickle(work(by_pickle(item))))
                except BarbershopError as error:
                    yield Outcome(index, error=by_pickle(error))

        asked.append(others)
        yield SimpleNamespace(run=run)

    monkeypatch.setattr(scoring, "pool", pool)
    return asked


@pytest.mark.slow
@pytest.mark.parametrize("name", TABLES)
def test_figures_do_not_depend_on_the_workers(rigged_pack, folder, tmp_path, elsewhere, name):
    evaluate, options = TABLES[name]
    place = (folder,) if name in ("photos", "pairs") else ()
    found, sheets, steps = [], [], []
    for count, workers in enumerate((Workers(), Workers(3, "auto", 0.5)), 1):
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
    assert elsewhere == [(3, "auto", 0.5)]


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


def test_two_processes_find_the_same_and_tell_their_failures(rigged_pack, monkeypatch):
    drawn = list(triples(2, 1, rigged_pack.working_size))
    blank = type(drawn[0].face)(np.zeros((4, 4, 3), np.uint8), *[None] * 4)
    broken = type(drawn[0])(blank, *[blank] * 3)
    monkeypatch.setattr(hair, "triples", lambda *_: iter([broken, drawn[1]]))
    found = [run(hair.hair(rigged_pack, 2, seed=1, preset=TINY, workers=Workers(count))) for count in (1, 2)]
    assert timeless(found[0]) == timeless(found[1]) and found[1]["scored"] == 1
    assert found[1]["failures"][0]["pair"] == 0


def test_other_workers_are_refused_as_in_a_batch(rigged_pack, monkeypatch):
    with pytest.raises(BadRequest, match="0 workers"):
        run(hair.hair(rigged_pack, 1, preset=TINY, workers=Workers(0)))
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(PackageMissing):
        run(hair.hair(rigged_pack, 1, preset=TINY, workers=Workers(1, "auto")))
