"""The table of operations, and requests with file paths: the one route of page, command line, API and Python.

>>> done = run(jobs.start(studio, "transfer", {"face": "me.jpg", "hair_shape": "friend.jpg"}, {"smooth": 8}))
>>> done.value.save("new.png")

Importing this module loads neither PyTorch nor a method.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .barbershop import options as hair
from .errors import BadRequest, FaceIndexError
from .inversion import options as inversion
from .options import Option, checked
from .pie import options as rig
from .styleclip import options as words

if TYPE_CHECKING:
    from pathlib import Path

    from .editing.result import Result
    from .inversion.cache import CodeCache
    from .photo import Portrait
    from .progress import Steps
    from .protocols import PackLike
    from .studio import Studio

PHOTOS = {
    "face": "person",
    "hair_shape": "hair shape",
    "hair_structure": "hair structure",
    "hair_color": "hair colour",
    "into": "receiving",
    "extra_a": "A",
    "extra_b": "B",
    "like": "model",
}
"""What people call the photo of each role."""
HAIR = ("hair_shape", "hair_structure", "hair_color")
"""Photos of a transfer beside those that the option ``regions`` names."""


@dataclass(frozen=True)
class Operation:
    """One thing that can be done with portraits.

    work: "module:function" of ``function(pack, cache, request)``, which checks what the options' ranges do
        not say and returns a generator of steps.  options: its settings.  needs: roles of photos it cannot do
        without.  person: the role that is edited.
    """

    name: str
    work: str
    options: tuple[Option, ...]
    needs: tuple[str, ...] = ("face",)
    person: str = "face"
    takes: tuple[str, ...] = ()
    session: bool = False

    def start(
        self,
        pack: PackLike,
        cache: CodeCache | None,
        photos: Mapping[str, Portrait | None],
        options: Mapping[str, Any],
        previous: Result | None = None,
        paste: bool = True,
    ) -> Steps[Any]:
        """Check the arguments, then return the operation's steps.

        photos: portraits by role; None counts as not given.  options: by name, the others at their defaults.
        previous: the result to start from.  paste: whether the whole photo is wanted, too.
        Raises BadRequest.
        """
        from .editing import chain
        from .editing.request import Request
        from .photo import Portrait
        from .stages import memory_errors

        given = {role: portrait for role, portrait in photos.items() if portrait is not None}
        for role in self.needs:
            if role not in given:
                raise BadRequest(f"The {photo_name(role)} is missing.", "Give one.")
        for role, portrait in given.items():
            if not isinstance(portrait, Portrait):
                raise BadRequest(
                    f"The {photo_name(role)} is not a portrait.", "Read the photo first: studio.read(path)."
                )
        values = checked(self.options, options)
        chain.check(previous, pack)
        request = Request(self.name, given, values, self.person, previous, paste)
        module, function = self.work.split(":")
        steps = getattr(import_module(f".{module}", __package__), function)(pack, cache, request)
        return memory_errors(steps)


OPERATIONS: dict[str, Operation] = {
    operation.name: operation
    for operation in (
        Operation("transfer", "barbershop.transfer:transfer", hair.TRANSFER, takes=HAIR),
        Operation("swap_face", "barbershop.transfer:swap_face", hair.SWAP_FACE, needs=("into", "face"), person="into"),
        Operation("target_mask", "barbershop.transfer:target_mask", hair.TARGET_MASK, takes=HAIR),
        Operation("edit_text", "styleclip.edit_text:edit_text", words.EDIT_TEXT),
        Operation("direction_sliders", "styleclip.edit_text:direction_sliders", words.DIRECTION_SLIDERS, session=True),
        Operation("repose", "pie.repose:repose", rig.REPOSE, takes=("like",)),
        Operation("rig", "pie.repose:rig", rig.RIG, session=True),
        Operation("invert", "inversion.invert:invert", inversion.INVERT),
        Operation("parse", "editing.reading:parse_photo", ()),
    )
}


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
        a Portrait.  None counts as not given.  options: see the operation's.  previous: the result to start
        from.  Raises BadRequest; PhotoError with the photo's name in its notices.
    """
    portraits = yield from _read(studio, photos)
    return (yield from _carry_out(studio, operation, portraits, options or {}, previous))


def _read(studio: Studio, photos: Mapping[str, Any]) -> Steps[dict[str, Portrait]]:
    """Read each photo once."""
    from .photo import Portrait
    from .progress import Step

    given = {role: photo for role, photo in photos.items() if photo is not None}
    portraits: dict[str, Portrait] = {}
    seen: dict[tuple[Any, int | None], Portrait] = {}
    for number, (role, photo) in enumerate(given.items(), 1):
        source, face = photo if isinstance(photo, tuple) else (photo, None)
        if source is None:
            continue
        if isinstance(source, Portrait):
            portraits[role] = source
            continue
        key = (source if isinstance(source, (str, bytes)) else id(source), face)
        if key not in seen:
            seen[key] = studio.read(source, face=None if face is None else int(face))
        portraits[role] = seen[key]
        title = _capital(photo_name(role))
        for notice in portraits[role].notices or ("",):
            yield Step("read photos", number, len(given), notice=notice and f"{title}: {notice}")
    return portraits


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


def operation_named(name: str) -> Operation:
    """An operation of the table.  Raises BadRequest."""
    if name not in OPERATIONS:
        raise BadRequest(f"There is no operation '{name}'.", f"Choose one of: {', '.join(OPERATIONS)}.")
    return OPERATIONS[name]


def photo_name(role: str) -> str:
    """What people call the photo of a role: "hair shape photo", "nose photo"."""
    return f"{PHOTOS.get(role, role.removeprefix('region ').removeprefix('photo:'))} photo"


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
    faces = {None} | {photo["face"] for step in wanted for photo in step["photos"].values()}
    for number, photo in enumerate(photos, 1):
        for face in sorted(faces, key=lambda face: -1 if face is None else face):
            try:
                portrait = studio.read(photo, face=face)
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
