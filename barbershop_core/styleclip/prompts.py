"""Prompts: cleaned and cut to CLIP's length, and the text direction between two of them."""

from __future__ import annotations

import unicodedata

import torch
from torch import Tensor

from ..errors import BadRequest
from ..networks.clip import Clip
from ..weights.assets import templates
from .directions import text_direction

LONGEST = 1000
"""Characters of a prompt that are read."""
NEUTRAL = "face"
"""The neutral text where none is given."""


def clean(text: object, what: str = "prompt") -> str:
    """A prompt without control characters and repeated space.  what: the text's name in messages.

    Raises BadRequest if it is no string or has no letter, digit or symbol.
    """
    if not isinstance(text, str):
        raise BadRequest(f"The {what} is not a text.", "Write what the portrait should show, such as 'curly hair'.")
    shown = "".join(" " if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") else c for c in text)
    shown = " ".join(shown.split())
    if not any(not unicodedata.category(c).startswith(("Z", "C", "M", "P")) for c in shown):
        raise BadRequest(f"The {what} is empty.", "Write what the portrait should show, such as 'curly hair'.")
    return shown


def fit(clip: Clip, text: str, what: str = "prompt") -> tuple[str, str]:
    """(prompt, notice): a cleaned prompt, cut to CLIP's context; the notice is empty if nothing was cut."""
    text = text[:LONGEST]
    tokenizer = clip.tokenizer
    if not tokenizer.truncates(text):
        return text, ""
    words = text.split(" ")
    while len(words) > 1 and tokenizer.truncates(" ".join(words)):
        words.pop()
    kept = " ".join(words)
    while tokenizer.truncates(kept):  # a single very long word
        kept = kept[: len(kept) * 3 // 4]
    return kept, f"The {what} is too long for this CLIP; it was read up to \u201c{kept[-40:]}\u201d."


@torch.no_grad()
def features(clip: Clip, text: str) -> Tensor:
    """CLIP's vectors of a text in all templates, unit vectors [79,E]."""
    return clip.text([template.format(text) for template in templates()])


def direction(clip: Clip, target: str, neutral: str = NEUTRAL) -> Tensor:
    """Delta t, [E]: from the neutral to the target text.  Raises BadRequest if their features are equal."""
    ends = features(clip, target), features(clip, neutral)
    if torch.allclose(*ends, atol=1e-6):
        raise BadRequest("The prompt and the neutral text say the same.", "Change one of them.")
    return text_direction(*ends)
