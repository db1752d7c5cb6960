"""The result panel that all tabs share: progress, picture, chain of edits, downloads, scores."""

from __future__ import annotations

import html
import time
from collections import Counter
from collections.abc import Callable, Iterator

import gradio as gr
from PIL import Image

from barbershop_core.errors import BarbershopError
from barbershop_core.progress import Step

from . import core
from .history import Visit
from .times import times

OUTPUTS = (
    "status",
    "preview",
    "slider",
    "pasted",
    "mask",
    "details",
    "crop_file",
    "photo_file",
    "history",
    "undo",
    "redo",
    "restart",
    "chain_note",
    "editor",
    "legend",
    "mask_state",
)
"""Names of the components that a run's updates are for, in this order."""
SCORED = ("hair", "skin", "brows", "eyes", "nose", "mouth", "ears", "glasses", "neck")
STARTING = '<div class="run"><b>Starting</b><div class="bar"><i class="idle"></i></div></div>'
STILL = {"preview": gr.update(visible=False), "slider": gr.update(visible=True)}


def updates(**values) -> tuple:
    """Updates by name, in the order of OUTPUTS; what is not named stays."""
    return tuple(values.get(name, gr.skip()) for name in OUTPUTS)


# --- a run ------------------------------------------------------------------------------------

_going: Counter[str] = Counter()  # runs of each visit that have not ended yet, cancelled ones included


def stream(
    kind: str, visit: Visit, request: Callable[[], dict], silent: bool = False
) -> Iterator[tuple[dict, dict | None]]:
    """Run a request; yields (updates by name, None) while it runs and at last (updates, result).

    request: makes the request, so that what is missing is said as any other error.  silent: show no
    previews.  Raises gr.Error with the sentence, after having yielded it as status.
    """
    started, notices = time.monotonic(), []
    _going[visit.folder.name] += 1
    try:
        wanted = request()
        yield (
            {"status": STARTING, **({} if silent else {"preview": gr.update(value=None, elem_classes=[])})},
            None,
        )
        for what, event in core.work(kind, wanted):
            if what == "step":
                step, image = event
                if step.notice:
                    notices.append(step.notice)
                update = {"status": bar(step, started) + notes(notices)}
                if image is not None and not silent:
                    update |= {
                        "preview": gr.update(value=image, visible=True),
                        "slider": gr.update(visible=False),
                    }
                yield update, None
            else:
                event["elapsed"] = time.monotonic() - started
                event["notices"] = list(dict.fromkeys(notices + list(event.get("notices", ()))))
                yield {}, event
    except Exception as error:
        sentence = core.shown(error)
        yield {"status": problem(sentence), **({} if silent else as_it_was(visit))}, None
        raise gr.Error(sentence, print_exception=False) from None
    finally:
        _going[visit.folder.name] -= 1
        if not _going[visit.folder.name]:
            del _going[visit.folder.name]


def edit(
    kind: str, form: Callable[[Visit], dict], title: str, session: gr.Request, timed: str = ""
) -> Iterator:
    """Run an edit on the visit's present portrait and add its result to the chain; yields updates.

    form: the request but for photo and previous step, given the visit.  timed: name in ``times``.
    """
    visit = Visit.of(session)

    def request() -> dict:
        wanted = form(visit)
        return {**visit.base(), **wanted}

    for update, result in stream(kind, visit, request):
        if result is None:
            yield updates(**update)
            continue
        if timed:
            times.note(timed, result["elapsed"])
        visit.push(title, result)
        status = f"<p>Done in {result['elapsed']:.1f} s.</p>" + notes(result["notices"])
        yield show(visit, status=status, **mask_tools(result))


def mask_tools(result: dict) -> dict:
    """The mask editor's updates where a result brings a target mask."""
    if result.get("labels") is None:
        return {}
    background = {"background": result["mask_overlay"], "layers": [], "composite": None}
    brush = gr.Brush(colors=list(result["palette"].values()), color_mode="fixed", default_size=12)
    return {
        "legend": legend(result["palette"]),
        "mask_state": {"labels": result["labels"]},
        "editor": gr.update(value=background, brush=brush),
    }


def legend(palette: dict[str, str]) -> str:
    """The colours of the regions, as HTML."""
    keys = (
        f'<span class="key"><span class="swatch" style="background:{colour}"></span>{name}</span>'
        for name, colour in palette.items()
    )
    return f"<p>{' '.join(keys)}</p>"


def live(image) -> dict:
    """The preview's update while sliders are moved: on a phone it floats over the controls."""
    return gr.update(value=image, visible=True, label="Live", elem_classes="live")


# --- the present portrait ---------------------------------------------------------------------


def show(visit: Visit, **more) -> tuple:
    """Updates that show where a visit stands."""
    return updates(**{**standing(visit), **more})


def standing(visit: Visit) -> dict:
    """The same by name.  Raises BadRequest where the visit has not begun."""
    now = visit.shown()
    last = len(now.titles) - 1
    pictures = [(Image.open(p).convert("RGB"), title) for p, title in zip(now.pictures, now.titles)]
    found = {
        "history": gr.update(value=pictures, selected_index=now.at, visible=last > 0),
        "undo": gr.update(interactive=now.at > 0),
        "redo": gr.update(interactive=now.at < last),
        "restart": gr.update(interactive=now.at > 0),
        "chain_note": chain_note(now),
    }
    original = pictures[0][0]
    if now.at == 0:
        found |= {
            "status": '<p class="quiet">This is what every tab starts from.</p>',
            "preview": gr.update(value=original, visible=True, label="Portrait", elem_classes=[]),
            "slider": gr.update(visible=False),
            "pasted": gr.update(visible=False),
            "mask": gr.update(visible=False),
            "details": "",
            "crop_file": gr.update(interactive=False),
            "photo_file": gr.update(interactive=False),
        }
    else:
        crop = core.keep((now.folder / "result.png").read_bytes(), "barbershop.png")
        photo = core.keep((now.folder / "photo.png").read_bytes(), "barbershop-photo.png")
        mask = now.folder / "mask.png"
        found |= {
            "status": f"<p>Step {now.at} of {last}: {html.escape(now.titles[now.at])}.</p>",
            "preview": gr.update(visible=False, label="Preview", elem_classes=[]),
            "slider": gr.update(value=(original.resize(pictures[now.at][0].size), crop), visible=True),
            "pasted": gr.update(value=photo, visible=True),
            "mask": gr.update(value=Image.open(mask) if mask.is_file() else None, visible=mask.is_file()),
            "details": details(now.step),
            "crop_file": gr.update(value=crop, interactive=True),
            "photo_file": gr.update(value=photo, interactive=True),
        }
    return found


def as_it_was(visit: Visit) -> dict:
    """Updates that take back a run's previews."""
    return {k: v for k, v in standing(visit).items() if k in STILL} if visit.begun else STILL


def chain_note(now) -> str:
    """What the next edit starts from, as HTML."""
    if len(now.titles) == 1:
        return '<p class="quiet">Edits in any tab are added to a chain here; each goes on from the last.</p>'
    start = "the original" if now.at == 0 else f"step {now.at}, {now.titles[now.at]}"
    lost = " What was undone is forgotten with the next edit." if now.at < len(now.titles) - 1 else ""
    return f"<p>The next edit starts from <b>{html.escape(start)}</b>.{lost} Click a picture to go there.</p>"


def undo(session: gr.Request):
    """One step back."""
    return _moved(session, -1)


def redo(session: gr.Request):
    """One step forward again."""
    return _moved(session, 1)


def restart(session: gr.Request):
    """Back to the original; the steps stay until the next edit."""
    return _moved(session, None)


def go_to(event: gr.SelectData, session: gr.Request):
    """A picture of the chain was clicked."""
    return _moved(session, None, event.index)


def _moved(session: gr.Request, by: int | None, to: int = 0):
    visit = Visit.of(session)
    try:
        visit.move(to if by is None else visit.shown().at + by)
        return show(visit)
    except BarbershopError as error:
        return updates(status=problem(str(error)))


# --- words ------------------------------------------------------------------------------------


def bar(step: Step, started: float) -> str:
    """A step as a line of progress, HTML."""
    share = min(1.0, step.index / max(step.total, 1))
    losses = " · ".join(f"{k} {v:.3g}" for k, v in list(step.losses.items())[:3])
    stage = html.escape(step.stage[:1].upper() + step.stage[1:])
    return (
        f'<div class="run"><b>{stage}</b> <span>{step.index} of {step.total}</span>'
        f'<span class="right">{time.monotonic() - started:.0f} s</span>'
        f'<div class="bar"><i style="width:{100 * share:.0f}%"></i></div>'
        f"<small>{html.escape(losses)}</small></div>"
    )


def notes(notices: list[str]) -> str:
    """Notices as HTML, each once: what is said of several photos in one line."""
    photos: dict[str, list[str]] = {}
    for notice in notices:
        title, colon, rest = notice.partition(" photo: ")
        said = photos.setdefault(rest if colon else notice, [])
        if colon and title not in said:
            said.append(title)
    lines = (f"{_listed(titles)} photo: {words}" if titles else words for words, titles in photos.items())
    return "".join(f'<p class="notice">{html.escape(line)}</p>' for line in lines)


def _listed(titles: list[str]) -> str:
    first, *rest = titles
    return ", ".join([first, *(title[:1].lower() + title[1:] for title in rest)])


def problem(sentence: str) -> str:
    """What went wrong, as HTML."""
    return f'<p class="problem">{html.escape(sentence)}</p>'


def details(result: dict) -> str:
    """Scores in words, as Markdown."""
    scores = result.get("scores") or {}
    lines = []
    if scores.get("identity") is not None:
        words = "face recognition; 1 identical, 0 unrelated"
        lines.append(f"**Same person: {scores['identity']:.2f}** ({words})")
    if scores.get("iou"):
        best = {k: v for k, v in scores["iou"].items() if v is not None and k in SCORED}
        lines.append("Agreement with the target mask: " + ", ".join(f"{k} {v:.2f}" for k, v in best.items()))
    if scores.get("channels"):
        counts = ", ".join(f"{words} {count}" for words, count in scores["channels"].items())
        lines.append(f"Style channels moved: {counts}")
    if scores.get("clip") is not None:
        before = f"{scores['clip_before']:.2f} → " if scores.get("clip_before") is not None else ""
        lines.append(f"Match with the words: {before}{scores['clip']:.2f}")
    if scores.get("reconstruction") is not None:
        lines.append(f"Your portrait was reproduced with {scores['reconstruction']:.1f} dB")
    if scores.get("seconds"):
        slow = sorted(((v, k) for k, v in scores["seconds"].items() if k != "total"), reverse=True)[:4]
        lines.append("Time: " + ", ".join(f"{k} {v:.1f} s" for v, k in slow))
    return "\n".join(f"- {line}" for line in lines)


# --- stopping ---------------------------------------------------------------------------------


def stopped(session: gr.Request):
    """The Stop button: the run itself is cancelled by the event; the chain stays as it was."""
    words = "<p>Stopped. Your photos and settings are kept.</p>"
    try:
        return show(Visit.of(session), status=words)
    except BarbershopError:
        return updates(status=words, **STILL)


def stopped_for_good(session: gr.Request):
    """Says it again once the cancelled run has ended: its last step may have been under way and have
    written over the first answer."""
    name, deadline = Visit.of(session).folder.name, time.monotonic() + 5
    while name in _going and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)
    return stopped(session)
