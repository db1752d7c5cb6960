"""Captions and suggestions in the visitor's language: Gradio in the browser leaves them as they are, so they are sent
again, see :mod:`page.language`."""

from __future__ import annotations

import gradio as gr

from .. import examples, language, ready, words
from ..ui import Updates, ui
from .parts import QUICK


def wire(page: gr.Blocks, gallery: gr.Gallery | None) -> None:
    """Send them when the page opens.  gallery: of the stored examples."""
    galleries = {ui.styles: ready.cards("style"), ui.colours: ready.cards("colour")}
    if gallery is not None:
        galleries[gallery] = examples.cards()

    def captions(session: gr.Request) -> Updates:
        if language.of(session) == language.ENGLISH:
            return {ui.suggestions: gr.skip()}
        return {**galleries, ui.suggestions: gr.update(sample_labels=[row["prompt"] for row in words.SUGGESTIONS])}

    page.load(captions, None, {*galleries, ui.suggestions}, **QUICK)
