"""What a small CLIP cannot read: words and pairs of words that none of its training captions had.

A CLIP of few captions gives every text a vector, and that of a text it cannot read lies near some caption or other.
Packs that list the phrases of those captions have this measured before an edit; for others, whose CLIP read the
internet, nothing is known to be missing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

import torch
import torch.nn.functional as F
from scipy.optimize import nnls
from torch import Tensor

from ..networks.clip import Clip
from ..weights.assets import templates

WORD = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*")
PAUSE = re.compile(r"[.,;:!?()]")
LINKS = frozenset("a an and at for from in is my no not of on or that the this to very who whose with without".split())
"""Words between descriptions, which make no pair with the next word."""
WHOLE = frozenset("person face head human man woman someone photo portrait picture image".split())
"""Words for the whole portrait: every description fits them."""
PARTS, NEAR = 4, 0.88
"""Most phrases that a text is taken for together, and the cosine of their sum with it below which it is like none."""

OUT_OF_REACH = 0.5
"""Share of a text's words that are not known from which it is out of reach."""


def words(text: str) -> list[str]:
    """The words of a text, in lower case."""
    return WORD.findall(text.lower())


@lru_cache(maxsize=4)
def _vocabulary(phrases: tuple[str, ...]) -> tuple[frozenset[str], frozenset[str], frozenset[frozenset[str]]]:
    """All words; nouns, which end a phrase; and pairs of words within one phrase."""
    split = [words(phrase) for phrase in phrases]
    nouns = {phrase[-1] for phrase in split if "person" not in phrase} - WHOLE
    pairs = {frozenset((a, b)) for phrase in split for a in phrase for b in phrase}
    return frozenset().union(*split), frozenset(nouns), frozenset(pairs)


def unknown(phrases: tuple[str, ...], text: str) -> list[str]:
    """Words of a text that no phrase has, and pairs such as "green hair" whose words no phrase has together."""
    known, nouns, pairs = _vocabulary(phrases)
    others = LINKS.union(WHOLE, *map(words, templates()))
    found = [word for word in words(text) if word not in known | others]
    for part in map(words, PAUSE.split(text)):
        for a, b in zip(part, part[1:]):
            if b in nouns and a in known - LINKS and frozenset((a, b)) not in pairs:
                found.append(f"{a} {b}")
    return list(dict.fromkeys(found))


@lru_cache(maxsize=1)
def _vectors(clip: Clip, phrases: tuple[str, ...]) -> Tensor:
    return clip.text(phrases)


@torch.no_grad()
def reading(clip: Clip, phrases: tuple[str, ...], target: str, neutral: str) -> tuple[list[str], float]:
    """The phrases whose changes from the neutral text add up to that of the target, the most important first, and
    the cosine of their sum with it."""
    start = clip.text([neutral])[0]
    change = F.normalize(clip.text([target])[0] - start, dim=-1).cpu()
    known = F.normalize(_vectors(clip, phrases) - start, dim=-1).cpu()
    chosen: list[int] = []
    rest, shares, cosine = change, Tensor(), 0.0
    while len(chosen) < PARTS and cosine < 0.97:
        chosen.append(int((known @ rest).argmax()))
        shares = torch.from_numpy(nnls(known[chosen].T.double().numpy(), change.double().numpy())[0]).float()
        rest = change - shares @ known[chosen]
        cosine = float(F.cosine_similarity(change - rest, change, dim=0))
    order = [k for k in shares.argsort(descending=True).tolist() if shares[k] > 0.3 * shares.max()]
    return [phrases[chosen[k]] for k in order], cosine


def remark(name: str, clip: Clip, phrases: tuple[str, ...], target: str, neutral: str) -> str:
    """A sentence for the person about what the pack ``name`` cannot read of an edit; empty if it can."""
    if not phrases:
        return ""
    missing = [*unknown(phrases, target), *unknown(phrases, neutral)]
    taken_for, cosine = reading(clip, phrases, target, neutral)
    said = set(words(target)) - LINKS - WHOLE - set(missing)
    if cosine < NEAR or (missing and len(taken_for) > max(1, len(said))):
        known = f"does not know {_quoted(missing)}" if missing else f"knows nothing like {_quoted([target])}"
        return f"The {name} pack {known}: this is out of its reach, and the edit is left to chance."
    if not missing:
        return ""
    whole = [word for word in missing if " " not in word]
    if len(whole) >= OUT_OF_REACH * len(set(words(target)) - LINKS - WHOLE):
        known = f"does not know {_quoted(missing)}: {_quoted([target])} is out of its reach"
    else:
        known = f"does not know {_quoted(missing)}"
    return f"The {name} pack {known}; it takes {_quoted([target])} for {_quoted(taken_for)}."


def _quoted(texts: Sequence[str]) -> str:
    quoted = [f"\u201c{text}\u201d" for text in texts]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"
