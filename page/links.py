"""Links that open the page with a setting or an example, never with a photo.

``?tab=words&words=blond+hair&instead=hair&preset=fast``, ``?style=Bob&colour=Copper`` or ``?colour=%23304080``,
``?example=2``.  What is not known is left as it is.
"""

from __future__ import annotations

from collections.abc import Mapping

import gradio as gr
from gradio.blocks import Block

from . import examples, ready
from .ui import Updates, ui
from .visits import Visit

TABS = {"hair": "Hair", "swap": "Face swap", "words": "Words", "pose": "Pose & light"}
"""Names of the tabs in links and on the page."""
LONGEST = 300
"""Most characters of a description in a link."""


def outputs() -> set[Block]:
    """The components that a link may fill."""
    settings = {ui.prompt, ui.neutral, ui.preset, ui.swap_preset, ui.text_preset, ui.rig_preset, ui.any_colour}
    return examples.outputs() | settings | {ui.tabs}


def follow(session: gr.Request) -> Updates:
    """The page was opened: what its address asks for."""
    asked = {name: value.strip() for name, value in dict(session.query_params or {}).items()}
    return {ui.status: gr.skip()} | _example(asked, session) | _settings(asked)


def _example(asked: Mapping[str, str], session: gr.Request) -> Updates:
    number = asked.get("example", "")
    if Visit.of(session).begun:  # reloaded after an edit, which is worth more
        return {}
    if not number.isdecimal() or not 1 <= int(number) <= len(examples.examples()):
        return {}
    return examples.show(int(number) - 1, session)


def _settings(asked: Mapping[str, str]) -> Updates:
    found: Updates = {}
    tab = asked.get("tab") or ("words" if "words" in asked else "")
    if tab in TABS:
        found[ui.tabs] = gr.update(selected=tab)
    for name, field in (("words", ui.prompt), ("instead", ui.neutral)):
        if asked.get(name):
            found[field] = asked[name][:LONGEST]
    for radio in (ui.preset, ui.swap_preset, ui.text_preset, ui.rig_preset):
        if asked.get("preset") in [value for _, value in radio.choices]:
            found[radio] = asked["preset"]
    for row in ready.rows("style"):
        if row["name"].lower() == asked.get("style", "").lower():
            found[ui.hair_shape.image] = row["file"]
    for row in ready.rows("colour"):
        if row["name"].lower() == asked.get("colour", "").lower():
            found |= {ui.hair_color.image: row["file"], ui.any_colour: row["colour"]}
    if asked.get("colour", "").startswith("#"):
        found |= ready.pick_colour(asked["colour"])
    return found
