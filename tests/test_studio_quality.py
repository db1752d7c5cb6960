"""The shipped studio pack on rendered portraits: hair is carried over, prompts have their effect.

The floors lie well under the figures of larger evaluations (`evaluate hair`, and "Words" in the pack's
REPORT.md); an edit that changes nothing, or the wrong thing, misses them.
"""

from __future__ import annotations

import numpy as np
import pytest

from barbershop_core import Studio, open_pack, run
from barbershop_core.evaluation import hair, words
from barbershop_core.evaluation.triples import triples
from barbershop_core.styleclip.options import METHOD

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pack():
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("BARBERSHOP_LANDMARKER", raising=False)
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield open_pack("studio", device="cpu")


def test_hair_is_carried_over(pack):
    studio = Studio(pack, cache=False)
    (triple,) = triples(1, 100, pack.working_size)
    face, shape, colour = (studio.read(r.image) for r in (triple.face, triple.shape, triple.colour))
    result = run(studio.transfer(face=face, hair_shape=shape, hair_color=colour))
    found = hair._score(studio, triple, np.asarray(result.pasted))
    before = hair._score(studio, triple, triple.face.image)
    assert found["hair_iou"] > 0.78 > before["hair_iou"]
    assert found["hair_de2000"] < 12 < before["hair_de2000"]
    assert found["face_psnr"] > 25
    assert found["lpips"] < 0.1 < before["lpips"]
    assert found["identity"] > 0.85


def test_prompts_have_their_effect(pack):
    table = run(words.text(pack, portraits=1, seed=100, prompts=("blond hair", "glasses")))
    assert table["failures"] == [] and set(table["rows"]) == set(METHOD.choices)
    for method, row in table["rows"].items():
        assert row["right"] == 1 and row["leak"] < 0.25 and row["identity"] > 0.7, (method, row)
