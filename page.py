"""What the page's controls do: their values in, steps of the core through, pictures and words out.

No layout here (that is ``app.py``) and no tensors (that is ``barbershop_core``, imported only when
somebody presses a button, so that the first page appears at once).
"""

from __future__ import annotations

try:  # on ZeroGPU this import has to come before anything that touches CUDA
    import spaces
except ImportError:
    spaces = None

import functools
import html
import importlib
import json
import logging
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from gradio.processing_utils import save_bytes_to_cache
from gradio.utils import get_upload_folder
from PIL import Image, ImageDraw

from barbershop_core.errors import BadRequest, BarbershopError
from barbershop_core.progress import PreviewThrottle, Step

ASSETS = Path(__file__).parent / "assets"
PRESETS = ("fast", "released", "paper")
MODES = ("realistic", "fidelity")
FEATURES = ("brows", "eyes", "nose", "mouth", "skin", "ears", "glasses", "neck")
KEEP = "keep"
SOURCES = {
    "hair shape photo": "hair_shape",
    "hair colour photo": "hair_color",
    "photo A": "extra_a",
    "photo B": "extra_b",
}
PHOTOS = ("face", "hair_shape", "hair_color", "extra_a", "extra_b", "into")
UNKNOWN = "Something went wrong inside the program. Your photos and settings are kept: please try again."
log = logging.getLogger("barbershop")


# --- the core, opened once, when first needed -------------------------------------------------

_opened = threading.Lock()


@functools.cache
def _open_studio():
    from barbershop_core import Studio, open_pack

    return Studio(open_pack(os.environ.get("BARBERSHOP_PACK") or "auto", device="auto"))


def studio():
    """The facade on the pack that ``BARBERSHOP_PACK`` names, or the automatic choice."""
    with _opened:
        return _open_studio()


@functools.cache
def warm_up() -> None:
    """Once somebody sees the page: import the heavy libraries in the background.

    Downloads nothing and opens no network.  Earlier it would delay the first page.
    """
    threading.Thread(target=importlib.import_module, args=("barbershop_core.studio",), daemon=True).start()


def shown(error: BaseException) -> str:
    """The sentence for a person about ``error``; what is not ours goes to the log instead."""
    if isinstance(error, BarbershopError):
        return str(error)
    if isinstance(error, gr.Error):
        return str(error.message)
    log.error("unexpected error", exc_info=error)
    return UNKNOWN


# --- the one place behind the GPU decorator ---------------------------------------------------


def _seconds(kind: str, request: dict) -> int:
    """How long a GPU slice to ask for; short ones wait less in the queue."""
    photos = sum(request.get(name) is not None for name in PHOTOS)
    per_photo = {"fast": 20, "released": 150, "paper": 150}[request.get("preset", "fast")]
    return 20 if kind == "mask" else 20 + per_photo * photos


def gpu(work):
    """``spaces.GPU`` where it exists, nothing elsewhere."""
    return spaces.GPU(duration=_seconds)(work) if spaces else work


@gpu
def work(kind: str, request: dict) -> Iterator[tuple[str, Any]]:
    """Run one request; yields ("step", (Step without preview, image or None)) and at last ("result", dict).

    kind: "transfer", "swap" or "mask".  On ZeroGPU this runs in a forked child whose events are
    pickled, so they hold plain numpy arrays, and a cache must lie on disk (the core's does).
    """
    from barbershop_core.jobs import outcome, start

    throttle = PreviewThrottle(1.0)
    last = float("-inf")
    steps = start(studio(), kind, request)
    try:
        while True:
            step = next(steps)
            preview = throttle(step)
            if preview is not None or step.notice or step.index == 1 or time.monotonic() - last > 0.4:
                last = time.monotonic()
                plain = Step(step.stage, step.index, step.total, dict(step.losses), None, step.notice)
                yield "step", (plain, preview)
    except StopIteration as stop:
        yield "result", outcome(stop.value)
    finally:
        steps.close()


# --- photos -----------------------------------------------------------------------------------


def look(path: str | None, index: float | None = None):
    """Read an uploaded photo: its aligned crop, the faces to choose from, and what to say about it.

    Returns updates for (note, gallery of faces, chosen index).  Never raises: a photo that cannot
    be used stays in its slot with the reason beneath it.
    """
    if not path:
        return "", gr.update(value=None, visible=False), 0
    try:
        portrait = studio().read(path, face=None if index is None else int(index))
    except Exception as error:
        return f'<p class="problem">{html.escape(shown(error))}</p>', gr.update(value=None, visible=False), 0
    faces = face_crops(portrait)
    many = len(faces) > 1
    words = [*portrait.notices, *(["Click another to use it."] if many else [])]
    note = f"<p>{html.escape(' '.join(words) or 'Face found.')}</p>"
    return note, gr.update(value=faces if many else None, visible=many, selected_index=None), portrait.index


def face_crops(portrait) -> list[tuple[np.ndarray, str]]:
    """A small square picture and a caption for each face of a photo, the chosen one framed."""
    crops = []
    photo = Image.fromarray(portrait.source)
    for number, box in enumerate(portrait.faces):
        left, top, right, bottom = (float(v) for v in box)
        half, x, y = 0.75 * max(right - left, bottom - top), (left + right) / 2, (top + bottom) / 2
        crop = photo.crop(tuple(round(v) for v in (x - half, y - half, x + half, y + half))).resize(
            (160, 160)
        )
        chosen = number == portrait.index
        if chosen:
            ImageDraw.Draw(crop).rectangle((0, 0, 159, 159), outline="#be5a38", width=8)
        crops.append((np.asarray(crop), f"{number + 1} (used)" if chosen else f"{number + 1}"))
    return crops


def choose_face(path: str | None, event: gr.SelectData):
    """Another face of the same photo was clicked."""
    return look(path, event.index)


# --- requests ---------------------------------------------------------------------------------

TRANSFER_INPUTS = (
    *PHOTOS[:5],
    *(f"{name}_index" for name in PHOTOS[:5]),
    *(f"from_{name}" for name in FEATURES),
    "mode",
    "preset",
    "smooth",
    "seed",
    "painted",
    "mask_state",
)
SWAP_INPUTS = ("face", "face_index", "into", "into_index", "preset", "seed")
OUTPUTS = (
    "status",
    "preview",
    "slider",
    "pasted",
    "mask",
    "details",
    "crop_file",
    "photo_file",
    "editor",
    "legend",
    "mask_state",
)


def transfer_request(values: dict) -> dict:
    """The request of the hair form.  Raises BadRequest where something is missing."""
    request = {k: v for k, v in values.items() if k in ("mode", "preset", "smooth", "seed") and v is not None}
    for name in PHOTOS[:5]:
        request[name] = values.get(name)
        request[f"{name}_index"] = values.get(f"{name}_index")
    if not request["face"]:
        raise BadRequest("The photo of the person is missing.", "Upload it in the first field.")
    regions = {}
    for feature in FEATURES:
        source = SOURCES.get(values.get(f"from_{feature}"))
        if source is None:
            continue
        if not request[source]:
            words = values[f"from_{feature}"]
            raise BadRequest(
                f"The {feature} should come from the {words}, which is missing.",
                "Upload it or choose 'keep'.",
            )
        regions[feature] = source
    request["regions"] = regions
    if not (request["hair_shape"] or request["hair_color"] or regions):
        raise BadRequest(
            "There is nothing to change yet.",
            "Upload a photo for the hair's shape or colour, or choose parts below.",
        )
    return request


def painted_mask(painted: dict | None, state: dict | None) -> np.ndarray | None:
    """The automatic labels with the visitor's strokes on them, uint8 [r,r]; ``None`` without strokes."""
    from barbershop_core.mask_file import paint_over

    if not painted or not painted.get("layers"):
        return None
    layer = np.asarray(painted["layers"][0])
    if layer.ndim != 3 or layer.shape[2] != 4 or not (layer[..., 3] > 127).any():
        return None
    if not state:
        raise BadRequest("The painted mask belongs to no photo.", "Press 'Prepare mask' and paint again.")
    return paint_over(state["labels"], layer)


# --- handlers of the page ---------------------------------------------------------------------


def _updates(**values) -> tuple:
    return tuple(values.get(name, gr.skip()) for name in OUTPUTS)


def _bar(step: Step, started: float) -> str:
    share = min(1.0, step.index / max(step.total, 1))
    losses = " · ".join(f"{k} {v:.3g}" for k, v in list(step.losses.items())[:3])
    stage = html.escape(step.stage[:1].upper() + step.stage[1:])
    return (
        f'<div class="run"><b>{stage}</b> <span>{step.index} of {step.total}</span>'
        f'<span class="right">{time.monotonic() - started:.0f} s</span>'
        f'<div class="bar"><i style="width:{100 * share:.0f}%"></i></div>'
        f"<small>{html.escape(losses)}</small></div>"
    )


def _notices(notices: list[str]) -> str:
    return "".join(f'<p class="notice">{html.escape(n)}</p>' for n in dict.fromkeys(notices))


def run_transfer(*values):
    """The Run button of the hair form."""
    form = dict(zip(TRANSFER_INPUTS, values))

    def request():
        wanted = transfer_request(form)
        wanted["mask"] = painted_mask(form.get("painted"), form.get("mask_state"))
        return wanted

    yield from _run("transfer", request)


def run_swap(*values):
    """The Run button of the face swap form."""
    form = dict(zip(SWAP_INPUTS, values))

    def request():
        if not form["face"] or not form["into"]:
            raise BadRequest(
                "A face swap needs two photos.", "Upload the face and the photo it should go into."
            )
        return form

    yield from _run("swap", request)


def prepare_mask(*values):
    """Load the automatic target mask into the editor."""
    yield from _run("mask", lambda: transfer_request(dict(zip(TRANSFER_INPUTS, values))))


_going: set[object] = set()  # runs that have not ended yet, cancelled ones included


def _run(kind: str, request):
    started, notices = time.monotonic(), []
    token = object()
    _going.add(token)
    try:
        wanted = request()
        yield _updates(
            status='<div class="run"><b>Starting</b><div class="bar"><i class="idle"></i></div></div>',
            **({} if kind == "mask" else {"preview": gr.update(value=None)}),
        )
        for what, event in work(kind, wanted):
            if what == "step":
                step, image = event
                if step.notice:
                    notices.append(step.notice)
                update = {"status": _bar(step, started) + _notices(notices)}
                if image is not None and kind != "mask":
                    update |= {
                        "preview": gr.update(value=image, visible=True),
                        "slider": gr.update(visible=False),
                    }
                yield _updates(**update)
            else:
                seconds = time.monotonic() - started
                event["notices"] = notices + list(event.get("notices", ()))
                if kind != "mask":
                    times.note(wanted.get("preset", "fast"), seconds)
                yield _finished(kind, event, seconds)
    except Exception as error:
        sentence = shown(error)
        yield _updates(
            status=f'<p class="problem">{html.escape(sentence)}</p>',
            **(
                {}
                if kind == "mask"
                else {"preview": gr.update(visible=False), "slider": gr.update(visible=True)}
            ),
        )
        raise gr.Error(sentence, print_exception=False) from None
    finally:
        _going.discard(token)


def _finished(kind: str, result: dict, seconds: float) -> tuple:
    mask = {}
    if result.get("labels") is not None:
        mask = {
            "mask": gr.update(value=result["mask_picture"], visible=True),
            "legend": legend(result["palette"]),
            "mask_state": {"labels": result["labels"]},
            "editor": gr.update(
                value={"background": result["mask_overlay"], "layers": [], "composite": None},
                brush=gr.Brush(colors=list(result["palette"].values()), color_mode="fixed", default_size=12),
            ),
        }
    if kind == "mask":
        return _updates(status="<p>The mask is ready to be painted.</p>", **mask)
    crop = keep(result["png"], "barbershop.png")
    photo = keep(result["pasted_png"], "barbershop-photo.png")
    return _updates(
        status=f"<p>Done in {seconds:.1f} s.</p>" + _notices(result["notices"]),
        preview=gr.update(visible=False),
        slider=gr.update(value=(result["before"], crop), visible=True),
        pasted=gr.update(value=photo, visible=True),
        details=details(result),
        crop_file=gr.update(value=crop, interactive=True),
        photo_file=gr.update(value=photo, interactive=True),
        **mask,
    )


def legend(palette: dict[str, str]) -> str:
    """The colours of the regions, as HTML."""
    return (
        "<p>"
        + " ".join(
            f'<span class="key"><span class="swatch" style="background:{colour}"></span>{name}</span>'
            for name, colour in palette.items()
        )
        + "</p>"
    )


def details(result: dict) -> str:
    """Scores in words, as Markdown."""
    scores = result.get("scores") or {}
    lines = []
    if scores.get("identity") is not None:
        lines.append(
            f"**Same person: {scores['identity']:.2f}** (face recognition; 1 identical, 0 unrelated)"
        )
    if scores.get("iou"):
        best = {k: v for k, v in scores["iou"].items() if v is not None and k in ("hair", "skin", *FEATURES)}
        lines.append("Agreement with the target mask: " + ", ".join(f"{k} {v:.2f}" for k, v in best.items()))
    if scores.get("reconstruction") is not None:
        lines.append(f"Your portrait was reproduced with {scores['reconstruction']:.1f} dB")
    if scores.get("seconds"):
        slow = sorted(((v, k) for k, v in scores["seconds"].items() if k != "total"), reverse=True)[:4]
        lines.append("Time: " + ", ".join(f"{k} {v:.1f} s" for v, k in slow))
    return "\n".join(f"- {line}" for line in lines)


def stopped_for_good():
    """Says it again once the cancelled run has ended: its last step may have been under way and have
    written over the first answer."""
    deadline = time.monotonic() + 5
    while _going and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)
    return stopped()


def stopped():
    """The Stop button: the run itself is cancelled by the event."""
    return (
        "<p>Stopped. Your photos and settings are kept.</p>",
        gr.update(visible=False),
        gr.update(visible=True),
    )


def clear_mask():
    """Another photo: the painted mask belongs to the old one."""
    return gr.update(value=None), None


def keep(data: bytes, name: str) -> str:
    """Put bytes into the page's temporary folder, where they are deleted in time; returns the path."""
    return save_bytes_to_cache(data, name, get_upload_folder())


# --- expected time ----------------------------------------------------------------------------


class Times:
    """Seconds per preset: measured by this server's own last run, else the stored measurement."""

    def __init__(self, stored: Path):
        self.stored = json.loads(stored.read_text()) if stored.is_file() else {}
        self.here: dict[str, float] = {}

    def note(self, preset: str, seconds: float) -> None:
        self.here[preset] = seconds

    def words(self, preset: str) -> str:
        """One line for beneath the presets."""
        if preset in self.here:
            seconds = self.here[preset]
            return f"The last run with this preset took {seconds:.0f} s here; photos used before are faster."
        return self.stored.get(preset, "No run with this preset was timed yet on this machine.")


times = Times(ASSETS / "examples" / "times.json")


# --- stored examples --------------------------------------------------------------------------


def examples() -> list[dict]:
    """The stored examples, ``assets/examples/examples.json``, as far as their files are there."""
    folder = ASSETS / "examples"
    listing = folder / "examples.json"
    if not listing.is_file():
        return []
    rows = []
    for row in json.loads(listing.read_text()):
        files = ("face", "hair_shape", "hair_color", "result", "pasted", "mask", "card")
        row = {k: str(folder / v) if k in files and v else v for k, v in row.items()}
        if Path(row["face"]).is_file() and Path(row["result"]).is_file():
            rows.append(row)
    return rows


def show_example(event: gr.SelectData):
    """Put an example's photos into the form and its stored result beside it; runs nothing."""
    row = examples()[event.index]
    size = Image.open(row["result"]).size
    before = np.asarray(Image.open(row["face"]).convert("RGB").resize(size, Image.LANCZOS))
    return (
        row["face"],
        row.get("hair_shape"),
        row.get("hair_color"),
        f"<p>Stored example: {html.escape(row.get('title', ''))}. Press Run to make it again.</p>",
        gr.update(visible=False),
        gr.update(value=(before, row["result"]), visible=True),
        gr.update(value=row.get("pasted"), visible="pasted" in row),
        gr.update(value=row.get("mask"), visible="mask" in row),
        details(row),
        gr.update(value=row["result"], interactive=True),
        gr.update(value=row.get("pasted"), interactive=bool(row.get("pasted"))),
    )
