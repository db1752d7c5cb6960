"""Every edit of the product, run on a pack as people run it."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from .. import jobs, photo
from ..editing.result import Result
from ..errors import NoFaceFound
from ..inversion import explained
from ..inversion.cache import CodeCache
from ..inversion.codes import Code
from ..pack import Pack
from ..photo import Portrait
from ..photo.pixels import to_uint8
from ..pie.session import RigSession
from ..progress import Step, Steps, run
from ..studio import Studio
from ..styleclip import resources
from ..styleclip.sliders import Sliders
from ..training import directions_table, train_mapper, train_rig
from ..world import params
from ..world.render import render
from .budgets import few_steps
from .meter import Meter

SIDE = 512
"""px of the portraits that are rendered where no photos are given."""


@dataclass(frozen=True)
class Row:
    """One stage of the table.

    seconds, memory, cuda: see :class:`.meter.Meter`.  finite: whether all numbers of picture and code are; shape:
    the picture's.  error: why there is no result, or "".
    """

    stage: str
    seconds: float
    memory: int
    cuda: int
    finite: bool
    shape: tuple[int, ...]
    error: str = ""


class Rehearsal:
    """A pack with what its edits are tried on.

    folder: where tables, mappers and the rig are written.  photos: files; portraits are rendered where there are
    fewer than three.  steps: iterations of each stage at most; None leaves the presets as they are.
    """

    def __init__(self, pack: Pack, folder: Path, photos: Collection[Path] = (), steps: int | None = None):
        self.pack, self.folder, self.photos, self.steps = pack, folder, list(photos), steps
        # Portraits are embedded once, as in the app: the rows "invert" show what it takes, the edits what they add.
        explained.limits[pack.generator] = 0.0  # random networks know no photograph: FAST moves its own pixels
        self.codes = CodeCache(folder / "codes")
        self.codes.clear()
        self.studio = Studio(pack, self.codes)

    @cached_property
    def portraits(self) -> list[Portrait]:
        """Face, hair shape, hair colour."""
        return [self._portrait(number) for number in range(3)]

    def _portrait(self, number: int) -> Portrait:
        if number < len(self.photos):
            return self.studio.read(self.photos[number])
        picture = Image.fromarray(render(params.sample(1, 40 + number)[0], SIDE).image)
        try:
            return self.studio.read(picture)
        except NoFaceFound:  # rendered, and random weights see no face either
            return photo.read(picture, self.pack.working_size, None)

    @cached_property
    def drawn(self) -> Portrait:
        """A picture of the generator: no face is found in it, so its code is edited, not a photograph's pixels."""
        g = self.pack.generator
        with torch.no_grad():
            made = g.synthesis(
                g.mapping(torch.randn(1, g.z_dim, generator=torch.Generator().manual_seed(7)).to(g.w_mean))
            )
        return photo.read(to_uint8(made.clamp(-1, 1))[0].numpy(), self.pack.working_size, None)

    def edit_drawn(self, operation: str, **options: Any) -> Steps[Any]:
        """An operation on the generator's own picture."""
        return (yield from jobs.start(self.studio, operation, {"face": self.drawn}, options)).value

    def edit(self, operation: str, *roles: str, **options: Any) -> Steps[Any]:
        """An operation on the portraits, in the order of ``roles``."""
        photos = dict(zip(roles or ("face",), self.portraits))
        done = yield from jobs.start(self.studio, operation, photos, options)
        return done.value

    @property
    def stages(self) -> dict[str, Callable[[], Steps[Any]]]:
        """What is run, by name."""
        edit, hair = self.edit, ("face", "hair_shape", "hair_color")
        # FAST edits photographs that the code does not explain by their own pixels; RELEASED edits the code.
        both = {"": "fast", " as released": "released"}
        found: dict[str, Callable[[], Steps[Any]]] = {"read": self._read, "parse": lambda: edit("parse")}
        for space in ("W", "W+", "FS"):
            found[f"invert {space}"] = lambda space=space: edit("invert", space=space)
        for end, preset in both.items():
            found |= {
                f"transfer{end}": lambda p=preset: edit("transfer", *hair, preset=p),
                f"colour only{end}": lambda p=preset: self._colour(p),
                f"face swap{end}": lambda p=preset: edit("swap_face", "face", "into", preset=p),
            }
        found["regions"] = self._regions
        found["target mask"] = lambda: edit("target_mask", *hair)
        for method, prompt in (("directions", "a smile"), ("optimize", "a smile"), ("mapper", "afro")):
            found[f"words: {method}"] = lambda m=method, p=prompt: edit("edit_text", prompt=p, method=m, beta=0.02)
            found[f"words: {method} by code"] = lambda m=method, p=prompt: self.edit_drawn(
                "edit_text", prompt=p, method=m, beta=0.02
            )
        found["words: optimize as released"] = lambda: edit(
            "edit_text", prompt="a smile", method="optimize", preset="released"
        )
        found["words: sliders"] = lambda: edit("direction_sliders")
        found["directions precompute"] = self._table
        found["mapper train"] = self._mapper
        found["repose without a rig"] = lambda: self.edit_drawn("repose", yaw=10.0, method="optimize")
        found["rig train"] = self._train_rig
        found["rig"] = lambda: edit("rig")
        found["rig by code"] = lambda: self.edit_drawn("rig")
        found["repose"] = lambda: edit("repose", yaw=10.0, expression="smile")
        found["repose by code"] = lambda: self.edit_drawn("repose", yaw=10.0, expression="smile")
        return found

    def _read(self) -> Steps[np.ndarray]:
        yield Step("read photos", 3, 3)
        return np.stack([portrait.image for portrait in self.portraits])

    def _colour(self, preset: str) -> Steps[Result]:
        photos = {"face": self.portraits[0], "hair_color": self.portraits[2]}
        return (yield from jobs.start(self.studio, "transfer", photos, {"preset": preset})).value

    def _regions(self) -> Steps[Result]:
        others = {"nose": self.portraits[1], "mouth": self.portraits[2]}
        return (yield from self.studio.transfer(self.portraits[0], regions=others))

    def _table(self) -> Steps[np.ndarray]:
        """Of two images, as far as the first elements of the embedding."""
        clip = yield from resources.clip(self.pack)
        preset = replace(directions_table.FAST, images=2, codes=2000)
        for step in directions_table.precompute(self.pack, clip, self.folder / "table.safetensors", preset):
            yield step
            break
        return np.zeros(0)

    def _mapper(self) -> Steps[np.ndarray]:
        clip = yield from resources.clip(self.pack)
        preset = replace(train_mapper.FAST, steps=self.steps or 20)
        figures = yield from train_mapper.train(
            self.pack, clip, "a smile", self.folder / "smile.safetensors", preset=preset
        )
        return np.array(list(figures.values()))

    def _train_rig(self) -> Steps[np.ndarray]:
        """On a handful of samples; the later stages use this rig."""
        schedule = train_rig.Schedule(
            minutes=0.02 * (self.steps or 20),
            samples=8,
            held_out=4,
            batch=4,
            picture_every=2,
            picture_batch=1,
            scored=2,
        )
        rig, scores = yield from train_rig.train(self.pack, self.folder / "rig.training.pt", schedule)
        save_rig(rig, self.pack)
        return np.array(list(scores.values()))


def save_rig(rig: torch.nn.Module, pack: Pack) -> None:
    """Write a rig where the pack finds it."""
    from ..weights.local import embedded_path
    from ..weights.save import save_half

    path = embedded_path(pack.manifest.networks["rignet"].sources[0], pack.manifest.folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_half(rig.state_dict(), path)


def rehearse(rehearsal: Rehearsal, only: Collection[str] = ()) -> Steps[list[Row]]:
    """Run the stages, or those whose names contain one of ``only``, one at a time.

    An error ends its stage, not the rehearsal.  Yields their steps, and one per finished stage; returns the table.
    """
    rows: list[Row] = []
    wanted = {n: s for n, s in rehearsal.stages.items() if not only or any(word in n for word in only)}
    with few_steps(rehearsal.steps), _own_rig(rehearsal.folder):
        for number, (name, stage) in enumerate(wanted.items(), 1):
            rows.append(_row(rehearsal, name, stage))
            gc.collect()
            yield Step(name, number, len(wanted), {"seconds": rows[-1].seconds, "GB": rows[-1].memory / 1e9})
    return rows


def _row(rehearsal: Rehearsal, name: str, stage: Callable[[], Steps[Any]]) -> Row:
    value, error = None, ""
    with Meter(rehearsal.pack.device) as meter:
        try:
            value = shown(run(stage()))
        except Exception as problem:  # of any kind: that is what a rehearsal is for
            error = f"{type(problem).__name__}: {problem}"
    finite = value is not None and all(bool(np.isfinite(part).all()) for part in value)
    shape = () if value is None else value[0].shape
    return Row(name, round(meter.seconds, 1), meter.memory, meter.cuda, finite, shape, error)


def shown(value: Any) -> list[np.ndarray]:
    """The picture of a result, then its other numbers."""
    if isinstance(value, Result):
        return [np.asarray(value.image), np.asarray(value.pasted), *_code(value.code)]
    if isinstance(value, Code):
        return _code(value)
    if isinstance(value, Sliders):
        value.add("a smile")
        return [value.image([(0, 3.0, 0.02)])]
    if isinstance(value, RigSession):
        return [value.image(yaw=8.0), value.image(expression="smile"), value.overlay()]
    return [np.asarray(value)]


def _code(code: Code) -> list[np.ndarray]:
    parts = (code.w_plus, getattr(code, "feature", None), getattr(code, "shift", None))
    return [part.detach().float().cpu().numpy() for part in parts if part is not None]


@contextmanager
def _own_rig(folder: Path) -> Iterator[None]:
    """Keep the rehearsal's rig out of the user's data folder."""
    before = os.environ.get("BARBERSHOP_TRAINED")
    os.environ["BARBERSHOP_TRAINED"] = str(folder / "trained")
    try:
        yield
    finally:
        if before is None:
            del os.environ["BARBERSHOP_TRAINED"]
        else:
            os.environ["BARBERSHOP_TRAINED"] = before


def table(rows: list[Row]) -> str:
    """The rows as Markdown."""
    lines = [
        "| stage | seconds | peak memory, GB | of it CUDA, GB | finite | shape |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        shape = "x".join(map(str, row.shape)) if not row.error else row.error
        cuda = f"{row.cuda / 1e9:.1f}" if row.cuda else ""
        finite = "yes" if row.finite else "no"
        lines.append(f"| {row.stage} | {row.seconds:.1f} | {row.memory / 1e9:.1f} | {cuda} | {finite} | {shape} |")
    return "\n".join(lines)
