"""Progress, notices, errors and scores as HTML and Markdown."""

from __future__ import annotations

import html
import time

from barbershop_core.editing import likeness
from barbershop_core.progress import Step

from .line import Standing
from .pace import Progress

LEAST = 0.3
"""Least agreement (intersection over union) with the target mask that is not doubted."""
SCORED = ("hair", "skin", "brows", "eyes", "nose", "mouth", "ears", "glasses", "neck")


def bar(step: Step, progress: Progress) -> str:
    """A step as a line of progress, HTML; the bar moves on by itself to where the next step should be."""
    stage = html.escape(step.stage[:1].upper() + step.stage[1:])
    number, count = step.photo or (1, 1)
    photo = f"<span>Photo {number} of {count}</span>" if count > 1 else ""
    left = "" if progress.left is None else f'<span class="right">{duration(progress.left)} left</span>'
    if progress.share is None:
        moving = '<i class="idle"></i>'
    else:
        way = f"--from:{100 * progress.share:.1f}%;--to:{100 * progress.ahead:.1f}%"
        moving = f'<i class="ahead" style="{way};animation-duration:{max(progress.seconds, 0.3):.1f}s"></i>'
    return f'<div class="run"><b>{stage}</b> {photo}{left}<div class="bar">{moving}</div></div>'


def waiting(standing: Standing) -> str:
    """Where a visitor stands in the line, HTML."""
    if standing.seconds is None:
        words = f"Waiting: {standing.ahead} ahead"
    else:
        words = f"Waiting: {standing.ahead} ahead, {duration(standing.seconds)}"
    return f'<div class="run"><b>{words}</b><div class="bar"><i class="idle"></i></div></div>'


def duration(seconds: float) -> str:
    """About how long: to the second below ten, then to five, then in minutes."""
    if seconds < 90:
        step = 1 if seconds < 10 else 5
        return f"about {max(step * round(seconds / step), 1)} s"
    return f"about {round(seconds / 60)} minutes"


def notes(notices: list[str]) -> str:
    """Notices as HTML, each once: the same notice about several photos becomes one line."""
    photos: dict[str, list[str]] = {}
    for notice in notices:
        title, colon, rest = notice.partition(" photo: ")
        titles = photos.setdefault(rest if colon else notice, [])
        if colon and title not in titles:
            titles.append(title)
    lines = (f"{_listed(titles)} photo: {words}" if titles else words for words, titles in photos.items())
    return "".join(f'<p class="notice">{html.escape(line)}</p>' for line in lines)


def _listed(titles: list[str]) -> str:
    first, *rest = titles
    return ", ".join([first, *(title[:1].lower() + title[1:] for title in rest)])


def problem(sentence: str) -> str:
    """What went wrong, as HTML."""
    return f'<p class="problem">{html.escape(sentence)}</p>'


def repainted(started: float) -> str:
    """How long a slider's move took since ``started`` (time.monotonic), as HTML."""
    return f'<p class="quiet">Repainted in {1000 * (time.monotonic() - started):.0f} ms</p>'


def details(result: dict) -> str:
    """Scores in words, as Markdown."""
    scores = result.get("scores") or {}
    lines = []
    if alike := likeness.words(scores, (result.get("recipe") or {}).get("operation", "")):
        lines.append(f"**{alike}**")
    if scores.get("iou"):
        best = ", ".join(f"{k} {v:.2f}" for k, v in scores["iou"].items() if v is not None and k in SCORED)
        lines.append(f"Agreement with the target mask: {best}")
    if scores.get("channels"):
        counts = ", ".join(f"{words} {count}" for words, count in scores["channels"].items())
        lines.append(f"Style channels moved: {counts}")
    if scores.get("clip") is not None:
        before = f"{scores['clip_before']:.2f} → " if scores.get("clip_before") is not None else ""
        lines.append(f"Match with the words: {before}{scores['clip']:.2f}")
    if scores.get("reconstruction") is not None:
        lines.append(f"Reconstruction of your portrait: {scores['reconstruction']:.1f} dB")
    if scores.get("seconds"):
        slow = sorted(((v, k) for k, v in scores["seconds"].items() if k != "total"), reverse=True)[:4]
        times = ", ".join(f"{k} {v:.1f} s" for v, k in slow)
        lines.append(f"Time: {times}")
    return "\n".join(f"- {line}" for line in lines)


def doubts(result: dict) -> list[str]:
    """Sentences about parts that did not come out as asked for, by their agreement with the target mask."""
    agreement = (result.get("scores") or {}).get("iou") or {}
    asked = {"hair", *((result.get("recipe") or {}).get("options") or {}).get("regions", ())}
    missed = [name for name in SCORED if name in asked and agreement.get(name) is not None and agreement[name] < LEAST]
    if not missed:
        return []
    parts = " and ".join(filter(None, [", ".join(missed[:-1]), missed[-1]]))
    return [f"The {parts} did not come out in the intended shape. Another photo, or a painted mask, may do better."]


def kept(result: dict) -> str:
    """What to say once the sliders' edit is in the chain, as HTML."""
    return "<p>Kept: the next edit starts from here.</p>" + notes(result["notices"])


def colours(palette: dict[str, str]) -> str:
    """The regions' names beside their colours, HTML."""
    keys = (
        f'<span class="key"><span class="key-colour" style="background:{colour}"></span>{html.escape(name)}</span>'
        for name, colour in palette.items()
    )
    return f'<div class="keys">{"".join(keys)}</div>' if palette else ""


def legend(palette: dict[str, str], chosen: str = "hair") -> str:
    """The regions as buttons that choose the brush's colour, HTML; ``palette.js`` does what they say."""
    keys = (
        f'<button type="button" class="key" aria-pressed="{str(name == chosen).lower()}">'
        f'<span class="key-colour" style="background:{colour}"></span>{html.escape(name)}</button>'
        for name, colour in palette.items()
    )
    return f'<p>Paint with:</p><div class="keys">{"".join(keys)}</div>'
