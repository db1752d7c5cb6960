"""Presets with few iterations, for rehearsals on a CPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from typing import Any

from ..barbershop import transfer_presets
from ..inversion import embed, inversion_presets
from ..pie import embedding, pie_presets
from ..styleclip import latent_optimization

TABLES = (transfer_presets.PRESETS, inversion_presets.PRESETS, pie_presets.PRESETS, latent_optimization.PRESETS)


def capped(preset: Any, most: int) -> Any:
    """A preset whose numbers of iterations ("steps", "..._steps"), also inside presets in it, are ``most`` at most."""
    changes = {}
    for field in fields(preset):
        value = getattr(preset, field.name)
        if is_dataclass(value):
            changes[field.name] = capped(value, most)
        elif isinstance(value, int) and (field.name == "steps" or field.name.endswith("_steps")):
            changes[field.name] = min(value, most)
    return replace(preset, **changes)


@contextmanager
def few_steps(most: int | None) -> Iterator[None]:
    """Let every preset have ``most`` iterations in each stage; None leaves them as they are."""
    if most is None:
        yield
        return
    before, same_picture, samples = [dict(table) for table in TABLES], embed.SAME_PICTURE, embedding.SAMPLES
    embed.SAME_PICTURE = capped(same_picture, most)  # of no table, as nobody chooses it
    embedding.SAMPLES = min(samples, 4 * most)  # pictures, of which one is used in each iteration
    for table in TABLES:
        table.update({name: capped(preset, most) for name, preset in table.items()})
    try:
        yield
    finally:
        embed.SAME_PICTURE, embedding.SAMPLES = same_picture, samples
        for table, presets in zip(TABLES, before):
            table.update(presets)
