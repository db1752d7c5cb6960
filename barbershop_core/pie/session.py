"""A portrait embedded in the rig: each move of a slider is one call of RigNet and one synthesis."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..editing import chain
from ..editing.result import Result
from ..errors import BadRequest
from ..face3d.theta import Theta
from ..inversion.codes import Code
from ..networks.rignet import RigNet
from ..photo.pixels import to_uint8
from ..progress import Step, Steps
from ..stages import StageTimer
from . import expressions, light
from . import theta_optimization as optimize
from .embedding import Embedded
from .face_reader import FaceReader
from .pie_presets import PiePreset
from .rig_request import ANGLES, POSE, Light, RigRequest, asked

REACH, FARTHEST = 2.6, 6.0
"""Spreads of theta^tau over generated portraits beyond which nothing is wanted, as the generator has not
learnt it; and beyond which RigNet is not asked, where it answers a wish by less."""
LOOKS = 3
"""How often an edited picture is looked at and the rest of the move asked for: one look leaves a degree of
yaw and a tenth of the light's change, three next to none."""
SWEEPS = ("yaw", "light")


@dataclass(eq=False)
class RigSession:
    """An embedded portrait.

    studio; start: where the edit begins (`chain.Start`).  embedded: its code and the photo's theta.
    theta: of the code's own picture, which edits start from.  rig: RigNet, None where the pack has none.
    watch: seconds by stage.  notices: sentences for the person.
    """

    studio: Any
    start: chain.Start
    embedded: Embedded
    theta: Theta
    reader: FaceReader
    rig: RigNet | None
    preset: PiePreset
    seed: int = 0
    watch: StageTimer = field(default_factory=StageTimer)
    notices: tuple[str, ...] = ()

    @property
    def pack(self):
        return self.studio.pack

    @property
    def controls(self) -> tuple[str, ...]:
        """Names of the expression's single controls."""
        return expressions.controls(self.reader.model)

    @property
    def angles(self) -> tuple[float, float, float]:
        """Yaw, pitch, roll of the portrait as it is, degrees."""
        return tuple(round(x, 1) for x in self.theta.angles()[0].tolist())

    @property
    def light(self) -> light.Light:
        """The portrait's own light, roughly."""
        return light.found_in(self.reader.model.from_light(self.theta.light)[0].cpu())

    # ------------------------------------------------------------------------------ pictures

    def image(self, **pose: Any) -> np.ndarray:
        """The portrait moved, uint8 [R,R,3], at once.

        pose: yaw, pitch, roll, expression, strength, light as :func:`.request.asked` takes them; none of them
        gives the embedded portrait.  Raises BadRequest.
        """
        with torch.no_grad():
            return to_uint8(self._synthesis(self.moved(asked(**pose))))[0].numpy()

    def _synthesis(self, w_plus: Tensor) -> Tensor:
        return self.pack.generator.synthesis(w_plus, resolution=self.pack.working_size).clamp(-1, 1)

    @torch.no_grad()
    def moved(self, request: RigRequest) -> Tensor:
        """W+ of a request by the rig, [1,L,D].

        RigNet was trained on all portraits; at a given one it may turn a head by 8 degrees where 10 were
        asked for.  So the edited picture is looked at, and what it lacks is asked for on top, `LOOKS` times.
        """
        if self.rig is None:
            raise BadRequest(
                f"The pack '{self.pack.name}' has no trained rig for live sliders.",
                f"Train one: python -m barbershop_core rig train --pack {self.pack.name}",
            )
        w, names = self.embedded.w_plus, [name for name in request.taus if name in self.rig.tau]
        if not names:
            return w
        theta = request.theta(self.reader.model, self.theta)
        wanted = {name: self._within(name, theta.tau(name)) for name in names}
        moves = {name: value - self.theta.tau(name) for name, value in wanted.items()}
        for _ in range(LOOKS):
            seen = self.reader(self._synthesis(self._rigged(w, moves))).theta
            moves = {name: move + 0.8 * (wanted[name] - seen.tau(name)) for name, move in moves.items()}
        return self._rigged(w, moves)

    def _rigged(self, w: Tensor, moves: Mapping[str, Tensor]) -> Tensor:
        """The code with tau moved by so much; the rig's doing where nothing is asked is taken off."""
        for name, move in moves.items():
            own = self.theta.tau(name)
            rest = self.rig(w, name, own) - w
            w = self.rig(w, name, self._within(name, own + move, FARTHEST)) - rest
        return w

    def _within(self, name: str, value: Tensor, reach: float = REACH) -> Tensor:
        net = self.rig.tau[name]
        return torch.maximum(torch.minimum(value, net.mean + reach * net.std), net.mean - reach * net.std)

    @torch.no_grad()
    def overlay(self, side: int = 256) -> np.ndarray:
        """The fitted face over the portrait: its lit shape without texture and its landmarks, uint8
        [side,side,3]."""
        theta, model = self.embedded.target.reading.theta, self.reader.model
        plain = replace(theta, texture=torch.zeros_like(theta.texture))
        drawn = model.render(plain, side)
        grey = drawn.image.mean(1, keepdim=True) / drawn.image.sum().clamp_min(1) * drawn.mask.sum() * 1.8
        tinted = grey * torch.tensor([0.75, 0.85, 1.0]).to(grey).view(1, 3, 1, 1)
        photo = F.interpolate(self.start.image, (side, side), mode="bicubic").clamp(-1, 1) / 2 + 0.5
        share = 0.62 * drawn.mask
        picture = to_uint8(2 * (photo * (1 - share) + share * tinted.clamp(0, 1)) - 1)[0].numpy().copy()
        for x, y in (model.shares(theta)[0] * side).round().long().tolist():
            if 1 <= x < side - 1 and 1 <= y < side - 1:
                picture[y - 1 : y + 2, x - 1 : x + 2] = (90, 220, 120)
        return picture

    def sweep(self, name: str = "yaw", frames: int = 24, **pose) -> Steps[list[np.ndarray]]:
        """Frames of a sweep that ends where it began: of the head to both sides, or of the light around.

        pose: what else is asked for, as in `image`.  Returns uint8 [R,R,3] each.  Raises BadRequest.
        """
        if name not in SWEEPS:
            raise BadRequest(f"There is no sweep of '{name}'.", f"Choose one of: {', '.join(SWEEPS)}.")
        if isinstance(frames, bool) or not isinstance(frames, int) or not 2 <= frames <= 240:
            raise BadRequest(f"{frames} frames make no sweep.", "Give 2 to 240.")
        return self._sweep(name, frames, pose)

    def _sweep(self, name: str, frames: int, pose: dict) -> Steps[list[np.ndarray]]:
        made, base = [], self.light
        middle = float(self.theta.angles()[0, 0])
        for k in range(frames):
            swing = math.sin(2 * math.pi * k / frames)
            if name == "yaw":  # about the camera's axis, as far as faces turn in the world
                moved = {"yaw": float(np.clip(25.0 * swing - middle, -ANGLES["yaw"], ANGLES["yaw"]))}
            else:
                moved = {"light": replace(base, azimuth=60.0 * swing, elevation=25.0, strength=1.2)}
            made.append(self.image(**{**pose, **moved}))
            yield Step("sweep", k + 1, frames, preview=lambda image=made[-1]: image)
        return made

    # ------------------------------------------------------------------------------ results

    def result(self, paste: bool = True, **pose: Any) -> Steps[Result]:
        """What the sliders show as a result in the photo; ``pose`` as in `image`."""
        request, settings = asked(**pose), {**POSE, **pose}
        settings["light"] = _plain(settings["light"])
        if isinstance(settings["expression"], Mapping):
            settings["expression"] = dict(settings["expression"])
        return self.finish(request, settings, paste=paste)

    def finish(
        self,
        request: RigRequest,
        settings: Mapping[str, Any],
        method: str | None = None,
        inputs=None,
        notices: tuple[str, ...] = (),
        paste: bool = True,
    ) -> Steps[Result]:
        """A checked request as a result.

        method: "rig", "optimize", or None for the rig where there is one.
        """
        if not request.taus:
            raise BadRequest("Nothing was asked for.", "Give an angle, an expression, a light or a photo.")
        method = method or ("rig" if self.rig is not None else "optimize")
        return self._finish(request, dict(settings) | {"method": method}, inputs, notices, paste)

    def _finish(self, request: RigRequest, settings, inputs, notices, paste) -> Steps[Result]:
        before = self.theta.angles()[0]
        if settings["method"] == "rig":
            with self.watch.stage("rig"):
                w_plus = self.moved(request)
            yield Step("rig", 1, 1)
        else:
            wanted = request.theta(self.reader.model, self.theta)
            w_plus = yield from self.watch(optimize.edit(self, wanted, request.taus))
        with torch.no_grad():
            seen = self.reader(self._synthesis(w_plus)).theta
        wanted = request.theta(self.reader.model, self.theta)
        scores: dict[str, Any] = {"turned": dict(zip(ANGLES, (seen.angles()[0] - before).tolist()))}
        scores["turned"] = {k: round(v, 2) for k, v in scores["turned"].items()}
        for name in request.taus:
            if name != "pose":
                asked_for = (wanted.tau(name) - self.theta.tau(name)).norm().clamp_min(1e-6)
                scores[f"{name} error"] = round(
                    float((wanted.tau(name) - seen.tau(name)).norm() / asked_for), 4
                )
        far = (wanted.angles()[0] - seen.angles()[0]).abs()
        if "pose" in request.taus and float(far[:2].max()) > 8:
            notices = (
                *notices,
                "The head could not be turned all the way: the pack has not learnt such poses.",
            )
        everywhere = np.ones((self.pack.working_size,) * 2, np.float32) if "pose" in request.taus else None
        code = Code("W+", w_plus)
        return (
            yield from chain.finish(
                self.pack,
                self.start,
                code,
                "pose",
                settings,
                self.preset.name,
                self.seed,
                self.watch,
                scores,
                (*self.notices, *notices),
                paste,
                everywhere,
                inputs,
            )
        )


def _plain(value: Light) -> dict[str, float] | None:
    return None if value is None else dict(vars(value)) if isinstance(value, light.Light) else dict(value)
