"""Prompts: what people type, made fit for CLIP, and the direction that two of them span."""

from __future__ import annotations

import unicodedata

import torch
from torch import Tensor

from ..errors import BadRequest
from ..weights.assets import templates
from .directions import text_direction

LONGEST = 1000
"""Characters of a prompt that are looked at."""
NEUTRAL = "face"
"""What an edit starts from where nothing is said."""


def clean(text: object, what: str = "prompt") -> str:
    """A prompt without control characters and needless space; any Unicode is welcome.

    Raises BadRequest where nothing is left.
    """
    if not isinstance(text, str):
        raise BadRequest(f"The {what} is no text.", "Write what should be seen, such as 'curly hair'.")
    shown = "".join(" " if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") else c for c in text)
    shown = " ".join(shown.split())
    if not any(not unicodedata.category(c).startswith(("Z", "C", "M", "P")) for c in shown):
        raise BadRequest(f"The {what} is empty.", "Write what should be seen, such as 'curly hair'.")
    return shown


def fit(clip, text: str, what: str = "prompt") -> tuple[str, str]:
    """(prompt, notice): a cleaned prompt as CLIP will read it; the notice is empty where nothing was cut."""
    text = text[:LONGEST] if len(text) > LONGEST else text
    tokenizer = clip.tokenizer
    if not tokenizer.truncates(text):
        return text, ""
    words = text.split(" ")
    while len(words) > 1 and tokenizer.truncates(" ".join(words)):
        words.pop()
    kept = " ".join(words)
    while tokenizer.truncates(kept):  # a single word without end
        kept = kept[: len(kept) * 3 // 4]
    return kept, f"The {what} is too long for this CLIP; it was read up to \u201c{kept[-40:]}\u201d."


@torch.no_grad()
def features(clip, text: str) -> Tensor:
    """A text in all templates, unit vectors [80,E]."""
    return clip.text([template.format(text) for template in templates()])


def direction(clip, target: str, neutral: str = NEUTRAL) -> Tensor:
    """Delta t, [E]: from the neutral to the target text.  Raises BadRequest where they mean the same."""
    ends = features(clip, target), features(clip, neutral)
    if torch.allclose(ends[0], ends[1], atol=1e-6):
        raise BadRequest("The prompt and the neutral text say the same.", "Change one of them.")
    return text_direction(*ends)
