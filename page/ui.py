"""The page's components by name: filled by :mod:`.layout`, used by the handlers.

Handlers take a dict of components with their values and return or yield a dict of components with their
updates, as Gradio passes them where the inputs are a set.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from gradio.blocks import Block

Values = Mapping[Block, Any]
Updates = dict[Block, Any]
ui = SimpleNamespace(stops=[])
"""stops: every Stop button."""
