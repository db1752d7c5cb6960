"""What is known before an edit of what it cannot do with this portrait, as sentences for the person.

Judged from the photograph's points and regions; where there are none, from the picture of the portrait's own code.
"""

from __future__ import annotations

from ..compositing.head import matrix_angles
from ..compositing.mirror import yaw
from ..compositing.photograph import Photograph

HAT = 0.015
"""Share of the crop from which something on the head is a hat."""
CLOTH = 0.012
"""Mean probability of a hat within hair from which the hair is likely to be one, a scarf or a headband: of 330
portraits, all six with one, a few pixels of which were taken for a hat, and three others."""
GLASSES = 0.004
"""Share of the crop from which glasses are worn."""
APART = 20.0
"""Degrees between two heads from which one hides much of the hair that the other shows."""
TURNED = 32.0
"""Degrees to a side or up and down beyond which a photograph hides much of the face."""
HAIR, FACE, WORDS, POSE = "hair", "face", "words", "pose"
"""Kinds of edits: hair of another photo, a face into another photo, words, the rig."""


def of_photograph(photograph: Photograph, kind: str, named: tuple[str, ...] | None = (), who: str = "") -> list[str]:
    """Of an edit that moves and changes the photograph's own pixels.

    kind: of the edit.  named: the regions that words are about, None for all.  who: "the hair shape photo" for one
    that is not edited.
    """
    found, person = [], who or "this photo"
    about_hair = kind == HAIR or (kind == WORDS and (named is None or "hair" in named))
    if about_hair and _share(photograph, "hat") > HAT:
        found.append(
            f"What is worn on the head in {person} hides hair: it stays as it is, and hair beside it may not fit."
        )
    elif about_hair and _doubt(photograph) > CLOTH:
        found.append(
            f"What is worn on the head in {person} looks like hair and may be changed with it: a photo without a hat "
            "or scarf fits better."
        )
    if kind != WORDS and (degrees := _turn(photograph)) > TURNED:
        found.append(
            f"The head in {person} is turned by {degrees:.0f} degrees: beyond {TURNED:.0f}, too little of the face is "
            "seen for this edit to look right."
        )
    return found


def of_two(person: Photograph, reference: Photograph) -> list[str]:
    """Of an edit that gives a person the hair of a reference, from its better side.  Both need a mesh."""
    own, other = yaw(person), yaw(reference)
    apart = min(abs(own - other), abs(own + other))
    if apart < APART:
        return []
    return [
        f"The two heads are turned {apart:.0f} degrees apart, so that some of the hair has to be made up: hair of a "
        "photo turned the same way fits better."
    ]


def glasses_stay(photograph: Photograph, target: str) -> list[str]:
    """Of words that would take off glasses: a photograph does not show what is behind them."""
    words = target.lower().replace("-", " ").split()
    taken_off = {"no", "not", "without", "remove", "bare"} & set(words) and any(
        word.strip(".,!") in ("glasses", "eyeglasses", "spectacles", "sunglasses") for word in words
    )
    if not taken_off:
        return []
    if _share(photograph, "glasses") > GLASSES:
        return ["Glasses cannot be taken off a photo: it does not show what is behind them."]
    return ["No glasses are seen in this photo, so that there is nothing to take off."]


def unlike(pack: str) -> str:
    """Of an edit that the generator of a pack draws for a portrait that its code does not explain."""
    return (
        f"This picture is unlike what the pack '{pack}' was trained on, and no face points were found in it: what "
        "changes will look less like it."
    )


def _share(photograph: Photograph, name: str) -> float:
    return float((photograph.part(name, size=128) > 0.5).mean())


def _doubt(photograph: Photograph) -> float:
    """Mean probability of a hat where the parser sees hair."""
    hair = photograph.part("hair", size=256) > 0.5
    return float(photograph.part("hat", size=256)[hair].mean()) if hair.any() else 0.0


def _turn(photograph: Photograph) -> float:
    """The larger angle of yaw and pitch, degrees; 0 where they are not known."""
    if photograph.matrix is None:
        return 0.0
    return max(abs(angle) for angle in matrix_angles(photograph.matrix)[:2])
