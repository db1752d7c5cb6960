"""What a small CLIP cannot read is told before an edit; what it can read is not."""

from __future__ import annotations

import numpy as np
import pytest
from small_studio import portrait
from tiny_presets import fast_is_tiny

from barbershop_core import open_pack, run
from barbershop_core.styleclip import known_words, resources
from barbershop_core.weights.assets import suggestions
from barbershop_core.weights.manifest import read_manifest
from barbershop_core.world import captions, params

PHRASES = ("a beard", "red lips", "lipstick", "curly hair", "red hair", "green eyes", "smiling person")


@pytest.fixture(scope="module")
def offline():
    """The offline pack's CLIP and the phrases it knows."""
    pack = open_pack("studio", device="cpu")
    return run(resources.clip(pack)), resources.captions(pack)


@pytest.mark.parametrize(
    "text, missing",
    [
        ("red hair", []),
        ("a smiling person with curly red hair", []),
        ("a happy face", ["happy"]),
        ("a pirate with green mohawk", ["pirate", "mohawk"]),
        ("green hair", ["green hair"]),
        ("red lipstick", ["red lipstick"]),
        ("green, hair", []),
        ("Mohawk mohawk 🔥 42", ["mohawk"]),
        ("中文", ["中文"]),
    ],
)
def test_unknown_words_and_pairs(text, missing):
    assert known_words.unknown(PHRASES, text) == missing


def test_the_offline_packs_phrases_are_those_of_its_captions(offline):
    assert offline[1] == captions.phrases()


def test_suggestions_and_captions_are_known(offline):
    clip, phrases = offline
    for row in suggestions():
        assert known_words.remark("studio", clip, phrases, row["prompt"], row["neutral"]) == ""
    rng = np.random.default_rng(0)
    truth = captions.truths(params.sample(30, 3))
    for k in range(30):
        text = captions.sentence(captions.choose(truth[:, k], 1 + k % 3, rng), rng)
        assert known_words.remark("studio", clip, phrases, text, "face") == ""


@pytest.mark.parametrize(
    "text, words",
    [
        ("tanned", ["“tanned”", "left to chance"]),
        ("an old man", ["“old”", "left to chance"]),
        ("moustache", ["nothing like “moustache”"]),
        ("a pirate with green mohawk", ["“pirate” and “mohawk”", "for “green eyes”"]),
        ("purple hair", ["“purple hair”", "for “person wearing purple”"]),
        ("red lipstick", ["“red lipstick”", "“red lips”"]),
    ],
)
def test_what_it_cannot_read_is_told_with_what_it_reads_instead(offline, text, words):
    remark = known_words.remark("studio", *offline, text, "face")
    assert all(word in remark for word in words), remark


def test_other_packs_are_not_measured(offline):
    assert "captions" not in read_manifest("ffhq").networks
    assert known_words.remark("ffhq", offline[0], (), "a pirate with green mohawk", "face") == ""


@pytest.mark.parametrize("method", ["directions", "optimize"])
def test_an_edit_tells_it_once_and_first(studio, monkeypatch, method):
    fast_is_tiny(monkeypatch)
    assert resources.captions(studio.pack) == ()
    monkeypatch.setattr(resources, "captions", lambda pack: PHRASES)
    steps = []
    result = run(studio.edit_text(portrait(1), "green mohawk", method, alpha=6.0, beta=0.0), steps.append)
    told = [k for k, step in enumerate(steps) if step.notice and "“mohawk”" in step.notice]
    assert told == [0]
    assert any("“mohawk”" in notice for notice in result.notices)
