"""A portrait embedded for the rig.

Each move of a slider generates four pictures with RigNet: three to read corrections from, and the result.  A photograph
that the pack's code does not explain is moved itself (:mod:`.photo_rig`); the code follows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..compositing import gaze
from ..compositing.photograph import Photograph
from ..editing import chain, photographs
from ..editing.regions import parse
from ..editing.request import Request
from ..editing.result import Result
from ..errors import BadRequest
from ..face3d.theta import Theta
from ..inversion.codes import Code
from ..networks.rignet import RigNet
from ..options import checked
from ..photo.pixels import quantized, to_uint8
from ..precision import half_precision
from ..progress import Step, Steps
from ..protocols import PackLike
from . import expressions, light, theta_optimization
from .embedding import Embedded
from .face_reader import FaceReader, read
from .options import ANGLES, FRAMES, REPOSE, SWEEP, YAW
from .photo_rig import CONTROLS, PREVIEW, PhotoRig
from .pie_presets import PiePreset
from .rig_request import RigRequest
from .tone import with_own_tone

REACH = 2.6
"""Largest target of an edit, in standard deviations of theta^tau over generated portraits."""
INPUT_REACH = 3.0
"""Largest input of RigNet, likewise: it is asked for more than the target where it moves too little, but farther out
it makes no faces."""
TINTED = 0.3
"""Warmth beyond the portrait's own from which a light is to colour the skin."""
PHOTO_SWING = 15.0
"""Degrees to which a photograph's head turns to each side in an animation."""
CORRECTIONS = 3
"""One correction leaves a degree of yaw and a tenth of the light's change, three leave next to none."""
BELIEVED = {"expression": 0.5}
"""Share of what the reader misses after the first move that is asked for again; 1 where nothing is said.  Of some
movements it sees only a part, such as of eyes that open: following it wholly would overdo them."""


@dataclass(eq=False)
class RigSession:
    """A portrait embedded for the rig.

    start: where edits begin.  embedded: its code and the photo's theta.  theta: of the code's own picture,
    which edits start from.  rig: RigNet, None where the pack has none.  notices: sentences for the person.
    photo: the photograph taken apart, if its own pixels are moved; None for portraits that the code explains.
    """

    pack: PackLike
    start: chain.Start
    embedded: Embedded
    theta: Theta
    reader: FaceReader
    rig: RigNet | None
    preset: PiePreset
    notices: tuple[str, ...] = ()
    photo: PhotoRig | None = None

    @property
    def live(self) -> bool:
        """Whether sliders act at once."""
        return self.photo is not None or self.rig is not None

    @property
    def controls(self) -> tuple[str, ...]:
        """Names of the expression's single controls."""
        if self.photo is not None:
            return tuple(CONTROLS)
        return expressions.controls(self.reader.model)

    @property
    def angles(self) -> tuple[float, float, float]:
        """Yaw, pitch, roll of the portrait as it is, degrees."""
        if self.photo is not None:
            return self.photo.angles
        return tuple(round(x, 1) for x in self.theta.angles()[0].tolist())

    @property
    def light(self) -> light.Light:
        """The portrait's own light, roughly."""
        if self.photo is not None:
            return self.photo.light
        return light.nearest_light(self.reader.model.from_light(self.theta.light)[0].cpu())

    # ------------------------------------------------------------------------------ pictures

    @property
    def preview(self) -> np.ndarray:
        """The embedded portrait, uint8 [R,R,3]; of a photograph the photo at `photo_rig.PREVIEW` px at most."""
        if self.photo is not None:
            return self._photographed(RigRequest())
        return to_uint8(self.embedded.image)[0].numpy()

    def image(self, **pose: Any) -> np.ndarray:
        """The portrait moved, uint8 [R,R,3] as :attr:`preview`, at once.

        pose: yaw, pitch, roll, expression, strength, light, gaze, see :data:`.options.POSE`; without any, the
        embedded portrait.  Raises BadRequest.
        """
        request = RigRequest.of(**pose)
        if self.photo is not None:
            return self._photographed(request)
        with torch.no_grad(), half_precision():
            made = self.synthesis(self.moved(request))
        return quantized(self._looking(self._toned(made, request), request)[0])

    @torch.no_grad()
    def _toned(self, made: Tensor, request: RigRequest) -> np.ndarray:
        """The generator's picture [1,3,R,R] with the portrait's own tone of skin, float32 [R,R,3] in 0..1."""
        picture = to_uint8(made)[0].numpy().astype(np.float32) / 255
        lit = "light" in request.taus
        if not request.taus or (
            lit and (request.light is None or abs(request.light.warmth - self.light.warmth) > TINTED)
        ):
            return picture
        own = to_uint8(self.start.image)[0].numpy().astype(np.float32) / 255
        labels = (parse(self.pack.parser, image)[0].cpu().numpy() for image in (made, self.start.image))
        after, before = labels
        return with_own_tone(picture, after, own, before, lit)

    def _looking(self, picture: np.ndarray, request: RigRequest) -> tuple[np.ndarray, np.ndarray]:
        """A drawn picture, float32 [S,S,3] in 0..1, with the eyes turned as asked, and where that changed it, [S,S].

        Raises BadRequest where no eyes are found in it.
        """
        if not any(request.gaze):
            return picture, np.zeros(picture.shape[:2], np.float32)
        known = np.ones(picture.shape[:2], np.float32)
        drawn = Photograph(picture, known, {}, *photographs.find_face(self.pack, quantized(picture)))
        return gaze.looking(picture, gaze.eyes(drawn), *request.gaze)

    def _photographed(self, request: RigRequest) -> np.ndarray:
        return quantized(self.photo.move(request, min(PREVIEW, self.photo.photograph.size)))

    def synthesis(self, w_plus: Tensor) -> Tensor:
        """The picture of W+ [1,L,D], [1,3,R,R] in [-1,1]."""
        return self.pack.generator.synthesis(w_plus, side=self.pack.working_size).clamp(-1, 1)

    @torch.no_grad()
    def moved(self, request: RigRequest) -> Tensor:
        """W+ of a request by the rig, [1,L,D].

        RigNet is exact only on average: it may turn this head by 8 degrees where 10 were asked for.  So theta
        is read from the edited picture and the difference is added to the input, `CORRECTIONS` times.
        """
        if self.rig is None:
            raise self._no_rig()
        w, names = self.embedded.w_plus, [name for name in request.taus if name in self.rig.tau]
        if not names:
            return w
        theta = request.theta(self.reader.model, self.theta)
        wanted = {name: self._within(name, theta.tau(name)) for name in names}
        moves = {name: value - self.theta.tau(name) for name, value in wanted.items()}
        for index in range(CORRECTIONS):
            found = read(self.reader, self.synthesis(self._rigged(w, moves)))
            if not index:
                wanted = {n: found.tau(n).lerp(value, BELIEVED.get(n, 1.0)) for n, value in wanted.items()}
            moves = {name: move + 0.8 * (wanted[name] - found.tau(name)) for name, move in moves.items()}
        return self._rigged(w, moves)

    def _rigged(self, w: Tensor, moves: Mapping[str, Tensor]) -> Tensor:
        """The code with tau moved by ``moves``, less what the rig changes when asked for no move."""
        for name, move in moves.items():
            own = self.theta.tau(name)
            rest = self.rig(w, name, own) - w
            w = self.rig(w, name, self._within(name, own + move, INPUT_REACH)) - rest
        return w

    def _within(self, name: str, value: Tensor, reach: float = REACH) -> Tensor:
        net = self.rig.tau[name]
        return torch.maximum(torch.minimum(value, net.mean + reach * net.std), net.mean - reach * net.std)

    @torch.no_grad()
    def overlay(self, side: int = 256) -> np.ndarray:
        """The fitted face over the portrait: its lit shape without texture and its landmarks, uint8
        [side,side,3]."""
        if self.photo is not None:
            return self.photo.overlay(side)
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

    def sweep(self, name: str = SWEEP.default, frames: int = FRAMES.default, **pose: Any) -> Steps[list[np.ndarray]]:
        """Frames of an animation that ends where it began: the head turns to both sides ("yaw"), or the light
        moves ("light").

        pose: what else is asked for, as in :meth:`image`.  Returns uint8 [R,R,3] each.  Raises BadRequest.
        """
        return self._sweep(SWEEP.check(name), FRAMES.check(frames), pose)

    def _sweep(self, name: str, frames: int, pose: dict) -> Steps[list[np.ndarray]]:
        made: list[np.ndarray] = []
        lamp = light.read(pose.get("light")) or replace(self.light, elevation=25.0, strength=1.2)
        middle = self.angles[0]
        for k in range(frames):
            swing = math.sin(2 * math.pi * k / frames)
            if name == "yaw" and self.photo is not None:
                moved = {"yaw": self.photo.within("yaw", PHOTO_SWING * swing)}
            elif name == "yaw":  # about the camera's axis, as far as faces turn in the world
                moved = {"yaw": float(np.clip(25.0 * swing - middle, YAW.low, YAW.high))}
            else:
                moved = {"light": replace(lamp, azimuth=60.0 * swing)}
            made.append(self.image(**{**pose, **moved}))
            yield Step("sweep", k + 1, frames, preview=lambda image=made[-1]: image)
        return made

    # ------------------------------------------------------------------------------ results

    def result(self, method: str | None = None, **pose: Any) -> Steps[Result]:
        """The portrait moved, as a result in the photo.

        pose: as in :meth:`image`.  method: "rig", "optimize", or None for the rig where there is one.
        """
        asked, opened = RigRequest.of(**pose), self.start.request
        options = {**opened.options, **pose, "method": method}
        request = replace(opened, operation="repose", options=checked(REPOSE, options))
        return self.finish(request, asked)

    def finish(self, request: Request, asked: RigRequest, like: PhotoRig | None = None) -> Steps[Result]:
        """The result of a request of repose; ``asked``: what it asks of the rig; like: the photograph that it copies
        from, if this is a photograph, too.  Raises BadRequest."""
        if not asked.asks:
            raise BadRequest("Nothing was asked for.", "Give an angle, an expression, a light, a gaze or a photo.")
        if self.photo is not None:
            return self._photo_result(replace(request, options={**request.options, "method": "rig"}), asked, like)
        method = request.options["method"] or ("rig" if self.rig is not None else "optimize")
        if method == "rig" and self.rig is None:
            raise self._no_rig()
        return self._finish(replace(request, options={**request.options, "method": method}), asked)

    def _photo_result(self, request: Request, asked: RigRequest, like: PhotoRig | None) -> Steps[Result]:
        timer = self.start.timer
        with timer.stage("rig"):
            picture, changed = self.photo.moved(asked, like=like)
            turned = self.photo.turned(picture)
        yield Step("rig", 1, 1)
        scores = {} if turned is None else {"turned": {angle.name: round(x, 2) for angle, x in zip(ANGLES, turned)}}
        code = Code("W+", self.embedded.w_plus)
        start = replace(self.start, request=request)
        return (yield from chain.finish(self.pack, start, code, scores, self.notices, changed, picture))

    def optimized(self, wanted: Theta, taus: tuple[str, ...]) -> Steps[Tensor]:
        """W+ [1,L,D] with the parts ``taus`` of ``wanted``, found without RigNet."""
        pack, reader, embedded, own = self.pack, self.reader, self.embedded, self.theta
        return theta_optimization.edit(pack, reader, embedded, own, wanted, taus, self.preset.optimize_steps)

    def _finish(self, request: Request, asked: RigRequest) -> Steps[Result]:
        timer, wanted = self.start.timer, asked.theta(self.reader.model, self.theta)
        before = self.theta.angles()[0]
        if not asked.taus:
            w_plus = self.embedded.w_plus
        elif request.options["method"] == "rig":
            with timer.stage("rig"):
                w_plus = self.moved(asked)
            yield Step("rig", 1, 1)
        else:
            w_plus = yield from timer(self.optimized(wanted, asked.taus))
        with torch.no_grad():
            found = read(self.reader, self.synthesis(w_plus))
        turned = zip(ANGLES, (found.angles()[0] - before).tolist())
        scores: dict[str, Any] = {"turned": {angle.name: round(value, 2) for angle, value in turned}}
        for name in asked.taus:
            if name != "pose":
                change = (wanted.tau(name) - self.theta.tau(name)).norm().clamp_min(1e-6)
                error = (wanted.tau(name) - found.tau(name)).norm() / change
                scores[f"{name} error"] = round(float(error), 4)
        notices, everywhere = self.notices, None
        if "pose" in asked.taus:
            everywhere = np.ones((self.pack.working_size,) * 2, np.float32)
            if float((wanted.angles()[0] - found.angles()[0])[:2].abs().max()) > 8:
                notices += ("The head could not be turned all the way: the pack was not trained on such poses.",)
        start = replace(self.start, request=request)
        code = Code("W+", w_plus)
        with torch.no_grad():
            made = self.synthesis(w_plus)
            picture, changed = self._finished(start, asked, made, everywhere)
        return (yield from chain.finish(self.pack, start, code, scores, notices, changed, picture, made=made))

    def _finished(
        self, start: chain.Start, asked: RigRequest, made: Tensor, changed: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The edited crop with the portrait's tone of skin and the eyes turned, float32 [R,R,3] in 0..1, and where it
        differs from the portrait."""
        image = start.image
        if asked.taus:
            image, changed = chain.compose(self.pack, start, made, changed)
        else:
            changed = np.zeros(image.shape[-2:], np.float32)
        picture, looked = self._looking(self._toned(image, asked), asked)
        return picture, np.maximum(changed, looked)

    def _no_rig(self) -> BadRequest:
        return BadRequest(
            f"The pack '{self.pack.name}' has no trained rig for live sliders.",
            f"Train one: python -m barbershop_core rig train --pack {self.pack.name}",
        )
