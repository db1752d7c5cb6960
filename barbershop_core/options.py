"""Settings of an operation, in one place for page, command line, API and Python.

Each method lists its own in ``<method>/options.py``.  Importing them loads nothing heavy.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from .errors import BadRequest

T = TypeVar("T")


@dataclass(frozen=True)
class Option:
    """One setting.

    kind: type of its values: str, float, int, or ``object`` where the operation itself checks them.
    choices: the allowed values of a str.  low, high: the allowed range of a number.
    unit: of the range, for messages.  optional: whether None is allowed.
    """

    name: str
    default: Any
    help: str
    kind: type = object
    choices: tuple[str, ...] = ()
    low: float = -math.inf
    high: float = math.inf
    unit: str = ""
    optional: bool = False

    def check(self, value: Any) -> Any:
        """``value``, where it is allowed.  Raises BadRequest otherwise."""
        if value is None and self.optional:
            return value
        if self.choices:
            if value not in self.choices:
                raise BadRequest(f"There is no {self.name} '{value}'.", f"Choose one of: {', '.join(self.choices)}.")
        elif self.kind is int:
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not number or value != value // 1:
                raise BadRequest(
                    f"The {self.name} {value!r} is not a whole number.", f"Give one, such as {self.default}."
                )
            if not self.low <= value <= self.high:
                raise self._out_of_range(value)
            return int(value)
        elif self.kind is float:
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not number or not self.low <= value <= self.high:
                raise self._out_of_range(value)
        return value

    def _out_of_range(self, value: Any) -> BadRequest:
        most = "or more" if self.high == math.inf else f"to {self.high:g}"
        return BadRequest(
            f"{self.name} = {value} is out of range.", f"Give {self.low:g} {most} {self.unit}".strip() + "."
        )


class Checked:
    """Base of dataclasses whose fields are options of the same names; each is checked when an instance is made.

    Raises BadRequest for values that are not allowed.
    """

    OPTIONS: ClassVar[tuple[Option, ...]]

    def __post_init__(self):
        for option in self.OPTIONS:
            option.check(getattr(self, option.name))


PRESET_NAMES = ("fast", "released", "paper")
PRESET = Option("preset", "fast", "fast, or the numbers of the released code or of the paper")
"""Checked by the method, which also takes a preset's dataclass."""
SEED = Option("seed", 0, "random seed", int, low=0)

NUDGE = (
    Option("x", 0.0, "to the right, in sides of the crop", float, low=-0.5, high=0.5),
    Option("y", 0.0, "down, in sides of the crop", float, low=-0.5, high=0.5),
    Option("turn", 0.0, "degrees to turn by, clockwise", float, low=-45, high=45, unit="degrees"),
    Option("zoom", 1.0, "how much larger the face is shown", float, low=0.5, high=2),
)
"""How a photo's crop may be moved by hand, see :mod:`.photo.nudge`."""


def preset_named(presets: Mapping[str, T], preset: str | T) -> T:
    """A preset by name, or itself.  Raises BadRequest for unknown names."""
    if isinstance(preset, type(next(iter(presets.values())))):
        return preset
    name = str(preset).strip().lower()
    if name not in presets:
        raise BadRequest(f"There is no preset '{preset}'.", f"Choose one of: {', '.join(presets)}.")
    return presets[name]


def checked(options: Iterable[Option], given: Mapping[str, Any]) -> dict[str, Any]:
    """Every option with the value given for it, or its default; None counts as not given.

    Raises BadRequest for names that are not among the options and values that are not allowed.
    """
    listed = {option.name: option for option in options}
    if unknown := sorted(set(given) - set(listed)):
        raise BadRequest(f"There is no option '{unknown[0]}'.", f"Choose from: {', '.join(listed)}.")
    values = {name: o.default if given.get(name) is None else given[name] for name, o in listed.items()}
    return {name: listed[name].check(value) for name, value in values.items()}
