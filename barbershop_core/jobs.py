"""Requests with file paths: the one route of page, command line and API to the operations.

>>> done = run(jobs.start(studio, "transfer", {"face": "me.jpg", "hair_shape": "friend.jpg"}, {"smooth": 8}))
>>> done.value.save("new.png")

Importing this module loads neither PyTorch nor a method.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .errors import BadRequest, FaceIndexError
from .operations import operation_named, photo_name

if TYPE_CHECKING:
    from pathlib import Path

    from .editing.result import Result
    from .photo import Nudge, Portrait
    from .progress import Steps
    from .studio import Studio


@dataclass(frozen=True)
class Done:
    """A finished request.

    value: what the operation returns: a Result; for "target_mask" uint8 [R,R] region indices, for
        "direction_sliders" Sliders, for "rig" a RigSession, for "invert" a Code, for "parse" uint8 [R,R].
    portrait: the one that was edited.  notices: sentences for the person.
    """

    value: Any
    portrait: Portrait
    notices: tuple[str, ...]


def start(
    studio: Studio,
    operation: str,
    photos: Mapping[str, Any],
    options: Mapping[str, Any] | None = None,
    previous: Result | None = None,
) -> Steps[Done]:
    """Read the photos and carry out an operation.

    photos: role -> path, bytes or PIL image; or (that, number of the face), where None takes the largest; or
        (that, number, `photo.Nudge` of the crop); or a Portrait.  None counts as not given.
    options: see the operation's.  previous: the result to start from.
    What is to know about a photo comes with the step in which it is read, under the photo's name.
    Raises BadRequest; PhotoError with the photo's name in its notices.
    """
    portraits, told = yield from _read(studio, photos)
    done = yield from _carry_out(studio, operation, portraits, options or {}, previous)
    return replace(done, notices=tuple(notice for notice in done.notices if notice not in told))


def _read(studio: Studio, photos: Mapping[str, Any]) -> Steps[tuple[dict[str, Portrait], set[str]]]:
    """Read each photo once; the notices of those that were read."""
    from .photo import Nudge, Portrait
    from .progress import Step

    given = {role: photo for role, photo in photos.items() if photo is not None}
    portraits: dict[str, Portrait] = {}
    told: set[str] = set()
    seen: dict[tuple[Any, int | None, Nudge | None], Portrait] = {}
    for number, (role, photo) in enumerate(given.items(), 1):
        source, face, nudge, *_ = (*(photo if isinstance(photo, tuple) else (photo,)), None, None)
        if source is None:
            continue
        if isinstance(source, Portrait):
            portraits[role] = source
            continue
        nudge = Nudge.of(nudge)
        key = (source if isinstance(source, (str, bytes)) else id(source), face, nudge)
        if key not in seen:
            seen[key] = studio.read(source, face=None if face is None else int(face), nudge=nudge)
        portraits[role] = seen[key]
        title = _capital(photo_name(role))
        for notice in portraits[role].notices or ("",):
            told.add(notice)
            yield Step("read photos", number, len(given), notice=notice and f"{title}: {notice}")
    return portraits, told


def _carry_out(
    studio: Studio,
    operation: str,
    portraits: Mapping[str, Portrait],
    options: Mapping[str, Any],
    previous: Result | None,
) -> Steps[Done]:
    found = operation_named(operation)
    value = yield from found.start(studio.pack, studio.cache, portraits, options, previous)
    notices = dict.fromkeys((*studio.pack.notices, *getattr(value, "notices", ())))
    return Done(value, portraits[found.person], tuple(notices))


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


# --- repeating --------------------------------------------------------------------------------


def replay(studio: Studio, recipe: Mapping[str, Any], photos: Sequence[str | Path | Any]) -> Steps[Done]:
    """Repeat every step of a recipe, each on the result of the one before.

    photos: paths or pictures in any order; a step finds its own by their content.
    Raises BadRequest where a photo is missing or a step cannot be repeated.
    """
    from .editing.recipe import options_of, steps
    from .progress import Step

    wanted = steps(recipe)
    known: dict[str, Portrait] = {}
    made_of = [photo for step in wanted for photo in step["photos"].values()]
    crops = [(None, None), *((photo["face"], photo.get("nudge")) for photo in made_of)]
    crops = [crop for place, crop in enumerate(crops) if crop not in crops[:place]]
    for number, photo in enumerate(photos, 1):
        for face, nudge in sorted(crops, key=lambda crop: -1 if crop[0] is None else crop[0]):
            try:
                portrait = studio.read(photo, face=face, nudge=nudge)
            except FaceIndexError:
                continue
            known.setdefault(portrait.digest, portrait)
        yield Step("read photos", number, len(photos))
    absent = [r for step in wanted for r, p in step["photos"].items() if p["digest"] not in known]
    if absent:
        names = ", ".join(dict.fromkeys(_capital(photo_name(role)) for role in absent))
        raise BadRequest(f"Not among the photos: {names}.", "Give the photos that the picture was made from.")
    done = None
    for step in wanted:
        portraits = {role: known[photo["digest"]] for role, photo in step["photos"].items()}
        previous = None if done is None else done.value
        done = yield from _carry_out(studio, step["operation"], portraits, options_of(step), previous)
    return done


def differences(recipe: Mapping[str, Any], made: Mapping[str, Any]) -> list[str]:
    """Why ``made`` does not repeat ``recipe`` exactly: other photos, another pack; as sentences."""
    old, new = recipe["photos"], made["photos"]
    changed = [role for role in old if role not in new or new[role]["digest"] != old[role]["digest"]]
    found = [f"{_capital(photo_name(role))}: not the one of the recipe, so the result differs." for role in changed]
    if recipe["pack"] != made["pack"]:
        found.append(f"The recipe was made with another state of the pack '{recipe['pack']['name']}'.")
    return found
