"""Calls of programs that were written before an endpoint got its last parameters."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import gradio as gr


class Completing(gr.Blocks):
    """Blocks whose endpoints take shorter lists of arguments: what is missing at the end has its default."""

    async def preprocess_data(self, block_fn, inputs, *args, **more):
        """The arguments as the endpoint gets them."""
        if block_fn.api_visibility == "public":
            inputs = completed(block_fn.fn, inputs)
        return await super().preprocess_data(block_fn, inputs, *args, **more)


def completed(endpoint: Callable[..., Any], given: list[Any]) -> list[Any]:
    """The arguments, and the defaults of those that are missing at the end, up to the first that has none."""
    missing = []
    for parameter in list(inspect.signature(endpoint).parameters.values())[len(given) :]:
        if parameter.default is inspect.Parameter.empty:
            break
        missing.append(parameter.default)
    return [*given, *missing]
