"""Tables are the same, whoever scores: this process, two others, or actors of a Ray cluster."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from small_pack import write_small_pack
from small_rigged import TINY_PIE, add_rig
from small_studio import TINY

from barbershop_core import open_pack, run
from barbershop_core.errors import BadRequest, PackageMissing
from barbershop_core.evaluation import hair, pose, words
from barbershop_core.evaluation.scoring import Workers

SECONDS = {"seconds"}


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.delenv("BARBERSHOP_LANDMARKER", raising=False)
        yield open_pack(add_rig(write_small_pack(tmp_path_factory.mktemp("small"))), device="cpu")


def timeless(table):
    """Without the columns that depend on the machine."""
    if isinstance(table, dict):
        return {k: timeless(v) for k, v in table.items() if k not in SECONDS}
    return [timeless(part) for part in table] if isinstance(table, list) else table


def tables(pack, tmp_path, workers: Workers):
    """hair, text and pose, each with a sheet."""

    def sheet(name):
        return tmp_path / f"{name}-{workers.count}.png"

    yield hair.hair(pack, 3, seed=1, preset=TINY, sheet=sheet("hair"), workers=workers)
    inversion = replace(TINY.inversion, name="fast")
    some = {"methods": ("directions", "mapper"), "prompts": ("curly hair", "blond hair")}
    yield words.text(pack, 2, preset=inversion, sheet=sheet("text"), workers=workers, **some)
    some = {"rows": ("full", "optimize")}
    yield pose.pose(pack, 3, preset=TINY_PIE, sheet=sheet("pose"), workers=workers, **some)


@pytest.mark.slow
@pytest.mark.parametrize("others", [Workers(2), Workers(1, "local")], ids=["processes", "ray"])
def test_figures_do_not_depend_on_the_workers(pack, tmp_path, others):
    if others.ray:
        pytest.importorskip("ray")
    steps = []
    for one, two in zip(tables(pack, tmp_path, Workers()), tables(pack, tmp_path, replace(others, count=2))):
        alone, both = run(one), run(two, steps.append)
        assert json.dumps(timeless(alone)) == json.dumps(timeless(both))
        assert json.dumps(alone) != json.dumps(both)  # the seconds
    assert [s.index for s in steps] == [*range(1, 4), *range(1, 5), *range(1, 4)]
    for name in ("hair", "text", "pose"):
        with Image.open(tmp_path / f"{name}-1.png") as alone, Image.open(tmp_path / f"{name}-2.png") as both:
            assert np.array_equal(alone, both)


def test_failures_are_told_by_other_processes_too(pack, monkeypatch):
    drawn = list(hair.triples(2, 1, pack.working_size))
    blank = type(drawn[0].face)(np.zeros((4, 4, 3), np.uint8), *[None] * 4)
    broken = type(drawn[0])(blank, *[blank] * 3)
    monkeypatch.setattr(hair, "triples", lambda *_: iter([broken, drawn[1]]))
    found = [run(hair.hair(pack, 2, seed=1, preset=TINY, workers=Workers(count))) for count in (1, 2)]
    assert found[0]["failures"] == found[1]["failures"] and found[1]["scored"] == 1
    assert found[1]["failures"][0]["pair"] == 0


def test_other_workers_are_refused_as_in_a_batch(pack, monkeypatch):
    with pytest.raises(BadRequest, match="0 workers"):
        run(hair.hair(pack, 1, preset=TINY, workers=Workers(0)))
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(PackageMissing):
        run(hair.hair(pack, 1, preset=TINY, workers=Workers(1, "auto")))
