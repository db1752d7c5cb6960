"""The table of operations: everything that can be done with portraits.

Importing this module loads neither PyTorch nor a method.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .barbershop import options as hair
from .errors import BadRequest
from .inversion import options as inversion
from .options import Option, checked
from .pie import options as rig
from .styleclip import options as words

if TYPE_CHECKING:
    from .editing.result import Result
    from .inversion.cache import CodeCache
    from .photo import Portrait
    from .progress import Steps
    from .protocols import PackLike

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


def operation_named(name: str) -> Operation:
    """An operation of the table.  Raises BadRequest."""
    if name not in OPERATIONS:
        raise BadRequest(f"There is no operation '{name}'.", f"Choose one of: {', '.join(OPERATIONS)}.")
    return OPERATIONS[name]


def photo_name(role: str) -> str:
    """What people call the photo of a role: "hair shape photo", "nose photo"."""
    return f"{PHOTOS.get(role, role.removeprefix('region ').removeprefix('photo:'))} photo"
