"""Likeness in words: said where the network can tell people apart, and nowhere else."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType, SimpleNamespace

import numpy as np
import pytest

from barbershop_core import open_pack
from barbershop_core.editing import likeness
from barbershop_core.evaluation.likeness import FALSE, MISSED, calibrated, compare, rendered_pairs
from barbershop_core.weights.manifest import read_manifest
from page import markup


def pack(said: str):
    manifest = read_manifest("studio")
    identity = replace(manifest.networks["identity"], likeness=said)
    return SimpleNamespace(manifest=replace(manifest, networks=MappingProxyType({"identity": identity})))


@pytest.mark.parametrize(
    ("cosine", "word"), [(-0.2, "low"), (0.29, "low"), (0.3, "medium"), (0.5, "high"), (1, "high")]
)
def test_cosines_become_words(cosine, word):
    assert likeness.level(pack("rendered .6 .8, photograph 0.3 0.5"), "photograph", cosine) == word


@pytest.mark.parametrize("said", ["", "rendered 0.6 0.8", "photograph"])
def test_nothing_is_claimed_where_nothing_was_measured(said):
    assert likeness.level(pack(said), "photograph", 0.98) is None


def test_packs_have_thresholds_only_where_they_were_measured():
    studio = SimpleNamespace(manifest=read_manifest("studio"))
    for kind in likeness.KINDS:
        low, high = likeness.thresholds(studio, kind)
        assert -1 < low < high < 1
    assert likeness.level(studio, "", 0.98) is None  # neither explained by the code nor with a face's points
    assert likeness.thresholds(SimpleNamespace(manifest=read_manifest("ffhq")), "photograph") is None


def test_thresholds_keep_both_errors_rare():
    rng = np.random.default_rng(0)
    same, other = rng.normal(0.6, 0.15, 4000), rng.normal(0.1, 0.15, 4000)
    found = calibrated(same, other)
    low, high = found.thresholds
    assert found.area == pytest.approx(0.991, abs=0.004)  # Phi(0.5 / (0.15 sqrt 2))
    assert (other >= high).mean() <= FALSE + 1e-3 and (same < low).mean() <= MISSED + 1e-3
    assert calibrated(same, same).thresholds is None and calibrated(same, same).area == pytest.approx(0.5, abs=0.01)


def test_the_offline_packs_thresholds_are_measured_ones():
    studio = open_pack("studio", device="cpu")
    found = compare(studio, rendered_pairs(24))
    assert found.area > 0.97
    np.testing.assert_allclose(found.thresholds, likeness.thresholds(studio, "rendered"), atol=0.15)


def test_words_for_people():
    assert likeness.words({"identity": 0.9, "likeness": "high"}, "repose") == "Likeness: high"
    assert likeness.words({"identity": 0.3, "likeness": "low"}, "swap_face") == "Likeness to the donor: low"
    assert likeness.words({"identity": 0.98}) == ""


def test_the_page_says_no_bare_number():
    told = markup.details({"scores": {"identity": 0.3, "likeness": "low"}, "recipe": {"operation": "swap_face"}})
    assert "Likeness to the donor: low" in told and "0.3" not in told
    assert markup.details({"scores": {"identity": 0.98}, "recipe": {"operation": "transfer"}}) == ""
