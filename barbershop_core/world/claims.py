"""What can be said of a portrait, and how true it is: the claims of claims.toml."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE = Path(__file__).with_name("claims.toml")
Truth = Callable[[Mapping[str, np.ndarray]], np.ndarray]
"""Parameters by name, uniform in [-1,1], [B] each -> 0..1, [B]."""


@dataclass(frozen=True)
class Claim:
    """A handful of phrases that say the same.

    attribute: what it is about; a sentence makes at most one claim about each attribute.
    truth: how true it is of portraits.  nouns: after "with" ("glasses"); adjectives: before "person"
    ("smiling"); verbs: after it ("wearing glasses"); hair: before "hair" ("curly").
    """

    attribute: str
    truth: Truth
    nouns: Sequence[str] = ()
    adjectives: Sequence[str] = ()
    verbs: Sequence[str] = ()
    hair: Sequence[str] = ()


@cache
def claims() -> tuple[Claim, ...]:
    """All claims, in the file's order; together they speak of every parameter of the world."""
    with open(FILE, "rb") as file:
        data = tomllib.load(file)
    truths = data["truths"]
    found: list[Claim] = []
    for entry in data["claims"]:
        if "axis" in entry:
            found += _axis(entry["axis"], entry["high"], entry["low"], entry.get("more"), entry.get("less"))
        else:
            found.append(Claim(**entry | {"truth": _truth(entry["truth"], truths)}))
    return tuple(found)


def _axis(
    name: str, high: Sequence[str], low: Sequence[str], more: Sequence[str] | None, less: Sequence[str] | None
) -> list[Claim]:
    """Nouns for both ends of a parameter, comparatives, and "very" of nouns with an article."""
    very = [p.replace(" ", " very ", 1) for p in high if p.startswith(("a ", "an "))]
    sides = [
        ([name, ">", 0.25], high),
        ([name, "<", -0.25], low),
        ([name, ">", 0.0, 0.3], more),
        ([name, "<", 0.0, 0.3], less),
        ([name, ">", 0.6], very),
    ]
    return [Claim(name, _truth([term], {}), nouns) for term, nouns in sides if nouns]


def _truth(terms: Sequence[Any], known: Mapping[str, Sequence[Any]]) -> Truth:
    """The product of terms, as claims.toml describes them; ``known``: the terms of truths that have names."""
    factors = [_named(term, known) if isinstance(term, str) else _comparison(*term) for term in terms]
    return lambda u: np.prod([factor(u) for factor in factors], axis=0)


def _named(term: str, known: Mapping[str, Sequence[Any]]) -> Truth:
    truth = _truth(known[term.removeprefix("not ")], known)
    return (lambda u: 1 - truth(u)) if term.startswith("not ") else truth


def _comparison(name: str, relation: str, threshold: float, last: float = 0.1) -> Truth:
    """last: the softness of ">" and "<", the upper end of "between"."""
    relations = {
        ">": lambda x: _above(x - threshold, last),
        "<": lambda x: _above(threshold - x, last),
        "between": lambda x: _above(x - threshold, 0.08) * _above(last - x, 0.08),
        "beyond": lambda x: _above(np.abs(x) - threshold, 0.1),
        "near": lambda x: _above(0.18 - np.abs((x - threshold + 1) % 2 - 1), 0.04),
        "amount": lambda x: _above(np.clip((x - 0.2) / 0.5, 0, 1) - threshold, 0.1),
    }
    relation_of = relations[relation]
    return lambda u: relation_of(u[name])


def _above(x: np.ndarray, softness: float) -> np.ndarray:
    """A sigmoid, 0.5 at zero; a step where the softness is 0."""
    return (x > 0).astype(float) if softness == 0 else 1 / (1 + np.exp(-x / softness))
