"""Hidden controls of the named endpoints, made from a function's signature and docstring.

What Gradio shows of a parameter (its API page, the Python client, MCP) comes from the control: name, type, default
and description.  Files arrive as uploads do, so that Gradio checks them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Literal, NewType, get_args, get_origin, get_type_hints

import gradio as gr
from gradio.components import Component
from gradio.utils import get_function_description

from barbershop_core.options import NUDGE
from barbershop_core.pie.options import GAZE_PARTS, LIGHT_PARTS
from barbershop_core.styleclip.options import ALPHA, BETA, LEVEL_NAMES

from .. import photos

Photo = NewType("Photo", str)
"""The path of an uploaded picture."""
Light = NewType("Light", dict)
Gaze = NewType("Gaze", dict)
Nudge = NewType("Nudge", dict)
Directions = NewType("Directions", list)
Levels = NewType("Levels", list)

_NUMBERS = {option.name: {"type": "number"} for option in (ALPHA, BETA)}
_TEXTS = {name: {"type": "string"} for name in ("target", "neutral")}
_DATA: dict[Any, tuple[dict[str, Any], Any]] = {
    Light: (
        {"type": "object", "properties": {option.name: {"type": "number"} for option in LIGHT_PARTS}},
        {"azimuth": -40, "elevation": 25},
    ),
    Gaze: (
        {"type": "object", "properties": {option.name: {"type": "number"} for option in GAZE_PARTS}},
        {"sideways": 15, "up": 0},
    ),
    Nudge: (
        {"type": "object", "properties": {option.name: {"type": "number"} for option in NUDGE}},
        {"x": 0.05, "turn": -3, "zoom": 1.1},
    ),
    Directions: (
        {"type": "array", "items": {"type": "object", "properties": _TEXTS | _NUMBERS, "required": ["target"]}},
        [{"target": "blond hair", "neutral": "hair", "alpha": 3, "beta": 0.15}],
    ),
    Levels: ({"type": "array", "items": {"type": "string", "enum": list(LEVEL_NAMES)}}, ["fine"]),
}
"""JSON schema and an example of what is given as JSON."""


def controls(endpoint: Callable[..., Any]) -> list[Component]:
    """A hidden control for each parameter, in order.

    Annotations are Photo, str, float, a Literal of texts, or one of the JSON types above; "| None" may follow.
    Every parameter needs one line "name: description" in the docstring.
    """
    _, described, _ = get_function_description(endpoint)
    kinds = get_type_hints(endpoint)
    parameters = inspect.signature(endpoint).parameters.values()
    return [_control(p.name, kinds[p.name], p.default, described[p.name]) for p in parameters]


def _control(name: str, kind: Any, default: Any, description: str) -> Component:
    kind = next((one for one in get_args(kind) if get_origin(kind) is not Literal and one is not type(None)), kind)
    value = None if default is inspect.Parameter.empty else default
    schema: dict[str, Any] = {}
    if kind is Photo:
        control = photos.upload(label=name, visible=False)
    elif get_origin(kind) is Literal:
        control = gr.Radio(get_args(kind), value=value, label=name, visible=False)
        control.preprocess = lambda given: given  # the core says better what the choices are
    elif kind is float:
        control = gr.Number(value, label=name, visible=False)
    elif kind is str:
        control = gr.Textbox(value, label=name, visible=False)
    else:
        schema, example = _DATA[kind]
        control = gr.JSON(value, label=name, visible=False)
        control.example_payload = lambda: example
    info = {**(schema or control.api_info()), "additional_description": description}
    control.api_info = lambda: info
    return control
