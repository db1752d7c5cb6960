"""Everything that the page can say, collected from the sources, for the tests of its translations.

An f-string is a text with numbered places: ``f"Photo {number} of {count}"`` is "Photo {0} of {1}".
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ELSEWHERE = (
    "training",
    "evaluation",
    "commands",
    "rehearsal",
    "world",
    "batch",
    "workers",
    "api",
    "__main__.py",
    "language.py",
)
"""Parts of the packages whose words never reach the page."""
MARKS = re.compile(r"(<[^>]*>|\n(?:- )?|^- |\*\*)")
PLACE = re.compile(r"\{\w+\}")
SENTENCE = re.compile(r"[A-Z{“].* .*[.!?]", re.S)
SPOKEN = re.compile(r'(?:alt|title|aria-label)="([^"]+)"')
BETWEEN = re.compile(r"(?<=[.!?]) (?=\S)")
UNSAID = ("Option", "set_defaults")
"""Calls whose texts are for the command line."""


def sources() -> Iterator[Path]:
    """The modules whose words reach the page."""
    for package in ("page", "barbershop_core"):
        for path in sorted((ROOT / package).rglob("*.py")):
            if not set(path.relative_to(ROOT).parts) & set(ELSEWHERE):
                yield path


def strings(path: Path) -> Iterator[tuple[str, set[int]]]:
    """The strings of a module without docstrings and JavaScript, and the places that hold grammar ("is" or "are")."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            skipped.add(id(node.value))
        elif isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in UNSAID:
            skipped |= {id(inner) for inner in ast.walk(node)}
        elif isinstance(node, ast.JoinedStr):
            skipped |= {id(part) for part in node.values if isinstance(part, ast.Constant)}
            formats = [part.format_spec for part in node.values if getattr(part, "format_spec", None)]
            skipped |= {id(inner) for spec in formats for inner in ast.walk(spec)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "=>" not in node.value:
            yield node.value, set()
        elif isinstance(node, ast.JoinedStr):
            yield _template(node)


def _template(node: ast.JoinedStr) -> tuple[str, set[int]]:
    text, number, grammar = "", 0, set()
    for part in node.values:
        if isinstance(part, ast.Constant):
            text += part.value
            continue
        if _is_grammar(part.value):
            grammar.add(number)
        text, number = f"{text}{{{number}}}", number + 1
    return text, grammar


def _is_grammar(node: ast.expr) -> bool:
    if isinstance(node, ast.IfExp):
        return all(isinstance(branch, ast.Constant) for branch in (node.body, node.orelse))
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult) and isinstance(node.left, ast.Constant)


def pieces(text: str) -> list[str]:
    """The texts between the tags of a piece of HTML; a text without tags is one piece."""
    found = [piece.strip() for piece in MARKS.split(text) if not MARKS.fullmatch(piece)] + SPOKEN.findall(text)
    if "<" not in text and SENTENCE.fullmatch(text.strip()):
        return [text.strip()]
    return [_renumbered(piece) for piece in found if piece]


def _renumbered(text: str) -> str:
    order = {place: k for k, place in enumerate(dict.fromkeys(re.findall(r"\{\d\}", text)))}
    return re.sub(r"\{\d\}", lambda found: f"{{{order[found[0]]}}}", text)


def says_something(text: str) -> bool:
    """Whether there is anything to translate."""
    return bool(re.search(r"[A-Za-z]{2}", PLACE.sub("", text)))


@cache
def sentences() -> dict[str, set[int]]:
    """What has to be translated: every sentence, and every text between tags."""
    found: dict[str, set[int]] = {}
    for path in sources():
        for text, grammar in strings(path):
            tagged = "<" in text and "page" in path.relative_to(ROOT).parts
            for piece in pieces(text) if tagged else [text.strip()]:
                if says_something(piece) and (tagged or SENTENCE.fullmatch(piece)):
                    for sentence in BETWEEN.split(piece):
                        found.setdefault(_renumbered(sentence), grammar)
    for path in (ROOT / "assets" / "text" / "times.json", ROOT / "assets" / "examples" / "times.json"):
        found |= {text: set() for text in json.loads(path.read_text(encoding="utf-8")).values()}
    return found


@cache
def known() -> set[str]:
    """Every text of the sources that an entry may be about, words and fragments included."""
    found = {text.strip() for path in sources() for text, _ in strings(path)}
    for text in list(found):
        found |= {sentence for piece in pieces(text) for sentence in BETWEEN.split(piece)}
    return found | {_renumbered(text) for text in found}
