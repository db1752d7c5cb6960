"""Captions of portraits: claims put into sentences, written anew for each batch.

Because the truth of every claim is known for every portrait, training never pushes a picture away from a
sentence that fits it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from scipy.special import erf

from ..weights.assets import templates
from . import params
from .claims import claims


def named(p: np.ndarray) -> dict[str, np.ndarray]:
    """Portraits [B,P] as the renderer uses them: name -> [B] uniform in [-1,1]."""
    return dict(zip(params.NAMES, erf(np.asarray(p, np.float64) / 2**0.5).T))


def truths(p: np.ndarray) -> np.ndarray:
    """How true each claim is of each portrait: [B,P] -> [claims,B] in 0..1."""
    u = named(p)
    return np.stack([claim.truth(u) for claim in claims()])


SUBJECTS = ("person", "person", "face", "head", "human", "man or woman", "someone")
FRAMES = (
    "{}",
    "{}",
    "{}",
    "a photo of {}",
    "a portrait of {}",
    "a picture of {}",
    "an image of {}",
    "this is {}",
    "a close-up of {}",
    "a rendering of {}",
    "{}, portrait photo",
    "a headshot of {}",
    "the photo shows {}",
)
OFTEN = {
    "smile": 3.0,
    "hair_color": 3.0,
    "curl": 3.0,
    "hair_length": 3.0,
    "glasses": 3.0,
    "beard": 3.0,
    "fringe": 2.0,
    "skin_tone": 2.0,
    "mouth_open": 1.5,
    "lip_red": 1.5,
    "eyes": 1.5,
}
"""How much more often than the others an attribute is spoken of."""


@cache
def _weights() -> np.ndarray:
    """How often each claim is chosen: by attribute, shared among its claims."""
    names = [c.attribute for c in claims()]
    return np.array([OFTEN.get(name, 1.0) / names.count(name) ** 0.5 for name in names])


def choose(truth: np.ndarray, count: int, rng: np.random.Generator) -> list[int]:
    """Numbers of ``count`` claims about different attributes, true ones of a portrait: truth [claims]."""
    share = _weights() * np.where(truth > 0.5, truth, 0.0)
    chosen: list[int] = []
    for index in rng.choice(len(share), min(3 * count + 2, int((share > 0).sum())), False, share / share.sum()):
        if all(claims()[index].attribute != claims()[other].attribute for other in chosen):
            chosen.append(int(index))
        if len(chosen) == count:
            break
    return chosen


def sentence(indices: Sequence[int], rng: np.random.Generator) -> str:
    """A caption that makes these claims; without claims, one that fits every portrait."""

    def pick(options):
        return options[int(rng.integers(len(options)))]

    before, nouns, verbs, hair = [], [], [], []
    for index in indices:
        claim = claims()[index]
        kind = pick([k for k in ("nouns", "adjectives", "verbs", "hair") for _ in range(2) if getattr(claim, k)])
        {"nouns": nouns, "adjectives": before, "verbs": verbs, "hair": hair}[kind].append(pick(getattr(claim, kind)))
    if hair:
        nouns.insert(0, " ".join(hair) + " hair")
    if not indices:
        return _framed(
            pick([*("a " + s for s in SUBJECTS[:4]), "hair", "face", "a person with hair", "face with hair"]), rng
        )
    bare = len(nouns) + len(before) + len(verbs) == 1 and rng.random() < 0.5
    if bare:  # as people type: "curly hair", "smiling", "with glasses"
        phrase = (nouns + before + verbs)[0]
        if nouns and rng.random() < 0.2:
            phrase = "with " + phrase
        return _framed(phrase, rng, likely=0.4)
    subject = pick(SUBJECTS)
    text = ("" if subject == "someone" else "a ") + " ".join([*before, subject])
    if subject == "someone" and before:
        text = f"someone {' and '.join(before)}"
    if nouns:
        text += " with " + (nouns[0] if len(nouns) == 1 else ", ".join(nouns[:-1]) + " and " + nouns[-1])
    if verbs:
        text += (", " if nouns else " ") + " and ".join(verbs)
    return _framed(text, rng)


def _framed(phrase: str, rng: np.random.Generator, likely: float = 0.3) -> str:
    if rng.random() < likely:
        return templates()[int(rng.integers(len(templates())))].format(phrase.removeprefix("a "))
    return FRAMES[int(rng.integers(len(FRAMES)))].format(phrase)


@cache
def phrases() -> tuple[str, ...]:
    """What captions can say, each claim and each frame by itself, for `styleclip.known_words`."""
    found = [frame.format("a person") for frame in FRAMES] + [f"a {subject}" for subject in SUBJECTS]
    for claim in claims():
        found += [*claim.nouns, *(f"{said} person" for said in claim.adjectives)]
        found += [*(f"person {said}" for said in claim.verbs), *(f"{said} hair" for said in claim.hair)]
    return tuple(dict.fromkeys(found))


def batch(p: np.ndarray, extra: int, rng: np.random.Generator) -> tuple[list[str], np.ndarray]:
    """Captions of portraits [B,P], one each, and ``extra`` short ones of nobody in particular.

    Returns the captions and how true each is of each portrait, [B+extra,B] in 0..1.
    """
    truth = truths(p)
    wanted = [
        choose(truth[:, k], int(rng.choice([0, 1, 2, 3, 4, 5], p=[0.03, 0.27, 0.25, 0.2, 0.15, 0.1])), rng)
        for k in range(len(p))
    ]
    share = _weights() / _weights().sum()
    wanted += [[int(k)] for k in rng.choice(len(share), extra, p=share)]
    texts = [sentence(indices, rng) for indices in wanted]
    fits = np.stack([truth[indices].prod(0) if indices else np.ones(len(p)) for indices in wanted])
    return texts, fits.astype(np.float32)
