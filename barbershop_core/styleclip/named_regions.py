"""What of a portrait words are about: the one list of words for hair, face, clothes and background.

>>> named_regions("red hair")
('hair',)
>>> named_regions("a person lit from the left") is None
True
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..compositing.photograph import Photograph
from ..editing.beforehand import WORDS as WORDS_KIND
from ..editing.beforehand import glasses_stay, of_photograph
from ..editing.regions import FACE

REGIONS: dict[str, tuple[str, ...]] = {
    "hair": ("hair",),
    "face": (*FACE, "ears", "neck"),
    "clothes": ("clothes", "necklace", "earrings", "hat"),
    "background": ("background",),
}
"""Regions of `editing.regions` that each kind of word is about."""
WORDS: dict[str, frozenset[str]] = {
    "hair": frozenset(
        "hair haired hairdo hairstyle haircut coiffure updo bun fringe fringes bang bangs parting curl curls curly "
        "wave waves wavy frizzy blond blonde blondes brunette redhead redheaded ginger auburn ponytail pigtails braid "
        "braids braided plait plaits dreadlocks dreads cornrows afro bob pixie mohawk mullet buzzcut quiff bald "
        "balding hairline forehead tresses locks strands highlights".split()
    ),
    "face": frozenset(
        "smile smiles smiling smiley smirk grin grinning laugh laughing happy happier cheerful sad unhappy unsmiling "
        "serious angry cross frown frowning surprised astonished surprise expression relaxed disgusted fearful scared "
        "sleepy awake squinting crying mouth lip lips lipstick teeth tongue talking eye eyes eyed eyelashes lashes "
        "eyeliner brow brows eyebrow eyebrows nose cheek cheeks skin complexion freckles freckled wrinkles wrinkled "
        "tan tanned pale blushing makeup mascara glasses eyeglasses spectacles sunglasses goggles bespectacled monocle "
        "beard bearded beardless stubble moustache mustache goatee sideburns shaven shaved unshaven facial".split()
    ),
    "clothes": frozenset(
        "clothes clothing shirt top blouse jacket coat sweater dress suit tie collar neckline necklace earring "
        "earrings hat cap wearing".split()
    ),
    "background": frozenset("background wall backdrop".split()),
}
WHOLE = frozenset(
    "light lit lighting shadow shadows looking facing turned tilted raised bowed head view face jaw chin old older "
    "young younger elderly child baby man woman male female boy girl masculine feminine asian african".split()
)
"""Words about more than one region: an edit with one of them may change everything."""
OF_THE_FACE = frozenset(("facial hair", "raised brows", "raised eyebrows"))
"""Phrases whose words alone would say something else."""
WORD = re.compile(r"[^\W\d_]+")
WORN = frozenset(WORDS["face"] & set("glasses eyeglasses spectacles sunglasses goggles monocle beard".split()))
"""What is worn on the face, where "wearing" says nothing about clothes."""


def named_regions(target: str, neutral: str = "") -> tuple[str, ...] | None:
    """The regions that words are about, as `editing.regions` names them; None where that is everything or unknown.

    target: what the portrait should show.  neutral: what that is an alternative to, which counts where the target
    itself names nothing ("blue" instead of "eyes").
    """
    kinds = _kinds(target)
    if kinds == []:
        kinds = _kinds(neutral)
    return tuple(region for kind in kinds for region in REGIONS[kind]) if kinds else None


def told_beforehand(photograph: Photograph, target: str, neutral: str = "") -> list[str]:
    """What is known of words on a photograph before they act on it, as sentences for the person."""
    found = of_photograph(photograph, WORDS_KIND, named_regions(target, neutral) if target else ())
    return [*found, *glasses_stay(photograph, target)]


def joined(named: Iterable[tuple[str, ...] | None]) -> tuple[str, ...] | None:
    """The regions of several edits together; None as soon as one is about everything."""
    found: dict[str, None] = {}
    for regions in named:
        if regions is None:
            return None
        found |= dict.fromkeys(regions)
    return tuple(found)


def _kinds(text: str) -> list[str] | None:
    """The kinds of words in a text, in the order of `REGIONS`; None for words about everything."""
    text, kinds = text.lower(), set()
    for phrase in OF_THE_FACE:
        if phrase in text:
            text, kinds = text.replace(phrase, " "), kinds | {"face"}
    said = set(WORD.findall(text))
    if said & WHOLE:
        return None
    if said & WORN:
        said.discard("wearing")
    return [kind for kind, words in WORDS.items() if kind in kinds or said & words]
