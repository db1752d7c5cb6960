"""The rig of a photograph: pose, expression and light by moving and relighting its own pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import cv2
import numpy as np
import torch

from ..compositing import gaze, relight
from ..compositing.expression import CONTROLS, amounts
from ..compositing.face_motion import face_motion
from ..compositing.head import matrix_angles, rotation
from ..compositing.layers import Layers, draw, layers
from ..compositing.photograph import Photograph
from ..compositing.planes import resized
from ..errors import BadRequest
from ..photo.landmarker import Found, Landmarker, largest
from ..photo.pixels import quantized
from . import light
from .expressions import BY_COEFFICIENT
from .rig_request import RigRequest

PREVIEW = 384
"""px at which sliders are followed, and at which the rig looks at its own results."""
LOOK = 512
"""px at which results are looked at."""
MOST = (20.0, 14.0, 15.0)
"""Degrees of yaw, pitch and roll by which a photograph can be turned: beyond, too much comes into view that it does
not show."""
FURTHEST = (36.0, 28.0, 60.0)
"""And how far from the front a head may be turned altogether."""
TRIALS = (12.0, 8.0)
"""Degrees of yaw and pitch that are tried out to both sides, three times."""
JAW_TRIAL, OPENED = 0.7, 0.6
"""Of the jaw's opening, and the share of it that MediaPipe is to find."""
UNLIKE = 0.2
"""Difference of two lights' coefficients from which a light replaces the photograph's own; 30 degrees apart or so."""
LEAST, ASIDE = 0.45, 0.4
"""Of a degree's turn at least this is found about the same axis, and at most this about the other."""
COPIED = ("brow", "jaw", "mouth", "eyeBlink")
"""Beginnings of the blendshapes that are copied from another face."""


@dataclass(eq=False)
class PhotoRig:
    """A photograph with a face, taken apart into layers.

    landmarker: looks at results.  jaw: what a motion of the jaw is multiplied by, see `OPENED`.
    response: [2,2,2], yaw and pitch that MediaPipe finds for each degree by which the mesh is turned, for yaw and pitch
    (first index) to the negative and the positive side: the mesh is flatter than faces are, and MediaPipe's pose of a
    face is not that of its points.
    """

    photograph: Photograph
    layers: Layers
    landmarker: Landmarker | None = None
    jaw: float = 1.0
    response: np.ndarray = field(default_factory=lambda: np.repeat(np.eye(2)[:, None], 2, 1))

    @property
    def angles(self) -> tuple[float, float, float]:
        """Yaw, pitch, roll, degrees, as in `Theta.angles`."""
        return tuple(round(angle, 1) for angle in matrix_angles(self.photograph.matrix))

    @cached_property
    def shading(self) -> relight.Shading:
        """What light needs to know of the photograph; computed on first use."""
        return relight.shading(self.photograph, self.layers.head, self.layers.alpha)

    @property
    def light(self) -> light.Light:
        """The photograph's own light, roughly."""
        own = torch.from_numpy(self.shading.lamp)
        level = float(light.Light().coefficients()[0].mean() / own[0].clamp_min(1e-3))
        return light.nearest_light(own[:, None].expand(9, 3) * level)

    @cached_property
    def _eyes(self) -> dict[int, tuple[gaze.Eye, ...]]:
        """The eyes by the size of the picture they are in, found on first use."""
        return {}

    def _looking(self, request: RigRequest, drawn: Layers) -> tuple[Layers, np.ndarray]:
        """The layers with the eyes turned as asked, and where that changed them, [S,S].  Raises BadRequest."""
        size = len(drawn.image)
        if size not in self._eyes:
            self._eyes[size] = gaze.eyes(self.photograph.resized(size))
        image, changed = gaze.looking(drawn.image, self._eyes[size], *request.gaze)
        return replace(drawn, image=image, person=drawn.person + (image - drawn.image)), changed

    @cached_property
    def _small(self) -> Layers:
        return self.layers.at(min(PREVIEW, self.photograph.size))

    def move(self, request: RigRequest, size: int | None = None, like: PhotoRig | None = None) -> np.ndarray:
        """The photograph moved, float32 [size,size,3] in 0..1; size: of the picture, default the photograph's own.

        like: the photograph that ``request.copied`` is copied from.  Raises BadRequest for turns that a photograph
        cannot make.
        """
        return self.moved(request, size, like)[0]

    def moved(
        self, request: RigRequest, size: int | None = None, like: PhotoRig | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """As :meth:`move`, and where the picture has changed, float32 [size,size] in 0..1."""
        size = size or self.photograph.size
        drawn = self._small if size <= len(self._small.image) else self.layers
        looked = np.zeros((1, 1), np.float32)
        if any(request.gaze):
            drawn, looked = self._looking(request, drawn)
            if not request.taus:
                return tuple(resized(x, size) for x in (drawn.image, looked))
        turn, head = self._turn(request, like), self.layers.head
        changes = self._amounts(request, like)
        rigid = head.moved(turn)
        target = head.moved(turn, face_motion().move(changes, head.face)) if changes else rigid
        coefficients = self._coefficients(request, like)
        lit = np.zeros((1, 1), np.float32)
        if coefficients is not None:
            change = rotation(np.add(head.angles, turn)) @ rotation(head.angles).T
            factor = relight.factor(self.shading, coefficients, change) ** self._difference(request.light)
            drawn = replace(drawn, image=relight.relit(drawn.image, factor), person=relight.relit(drawn.person, factor))
            lit = np.clip(np.abs(np.log(factor)).max(2) / 0.02, 0, 1)
        picture, changed = draw(drawn, target, rigid)
        changed = np.maximum(changed, resized(np.maximum(resized(lit, len(looked)), looked), len(changed)))
        if len(picture) != size:
            picture, changed = (resized(x, size) for x in (picture, changed))
        return picture, changed

    def overlay(self, side: int = 256) -> np.ndarray:
        """The fitted mesh over the photograph, uint8 [side,side,3]."""
        model, photo = face_motion(), resized(self.photograph.image, side)
        picture = quantized(photo)
        points = (self.photograph.mesh[:, :2] + 0.5) * side / self.photograph.size - 0.5
        lines = picture.copy()
        cv2.polylines(
            lines,
            list(np.round(points[model.triangles] * 16).astype(np.int32)),
            True,
            (150, 205, 255),
            1,
            cv2.LINE_AA,
            4,
        )
        picture = cv2.addWeighted(picture, 0.55, lines, 0.45, 0)
        for ring in model.rings.values():
            corners = np.round(points[ring] * 16).astype(np.int32)
            cv2.polylines(picture, [corners], True, (90, 220, 120), 1, cv2.LINE_AA, 4)
        return picture

    def turned(self, picture: np.ndarray) -> tuple[float, float, float] | None:
        """Yaw, pitch, roll, degrees, by which MediaPipe finds the head turned in a moved picture [S,S,3]; None where
        it finds no face."""
        face = self.seen(picture)
        if face is None:
            return None
        return tuple(np.subtract(matrix_angles(face.matrix), matrix_angles(self.photograph.matrix)).tolist())

    def seen(self, picture: np.ndarray) -> Found | None:
        """The largest face that MediaPipe finds in a picture [S,S,3]; None where it finds none."""
        if self.landmarker is None:
            return None
        picture = resized(picture, min(len(picture), LOOK))
        return largest(self.landmarker.detect(quantized(picture)))

    # ------------------------------------------------------------------------------ what is asked for

    def _turn(self, request: RigRequest, like: PhotoRig | None) -> tuple[float, float, float]:
        asked, own = np.array(request.angles), np.array(self.angles)
        if like is not None and "pose" in request.copied:
            asked = asked + np.array(like.angles) - own
        for name, degrees, at, most, furthest in zip(("yaw", "pitch", "roll"), asked, own, MOST, FURTHEST):
            if abs(degrees) > most or (abs(at + degrees) > furthest and abs(at + degrees) > abs(at)):
                raise _too_far(name, float(degrees), float(at), most, furthest)
        return (*self.corrected(asked[:2]), float(asked[2]))

    def corrected(self, asked: np.ndarray) -> tuple[float, float]:
        """Yaw and pitch by which to turn the mesh so that MediaPipe finds what was asked for, degrees."""
        turn = np.asarray(asked, float)
        for _ in range(3):  # the signs of the solution choose the sides
            side = (turn >= 0).astype(int)
            turn = np.linalg.solve(np.stack([self.response[0, side[0]], self.response[1, side[1]]], 1), asked)
        return tuple(turn.tolist())

    def within(self, name: str, degrees: float) -> float:
        """The nearest angle to turn by that is allowed; name: "yaw", "pitch" or "roll"."""
        k = ("yaw", "pitch", "roll").index(name)
        low, high = (max(-MOST[k], -FURTHEST[k] - self.angles[k]), min(MOST[k], FURTHEST[k] - self.angles[k]))
        return float(np.clip(degrees, min(low, 0), max(high, 0)))

    def _amounts(self, request: RigRequest, like: PhotoRig | None) -> dict[str, float]:
        """Changes of blendshapes."""
        own, copied = self.photograph.blendshapes, {}
        if like is not None and "expression" in request.copied:
            theirs = like.photograph.blendshapes
            known = [name for name in theirs if name.startswith(COPIED) and name in face_motion().motion]
            copied = {name: theirs[name] - own.get(name, 0.0) for name in known}
        changes = amounts(own, self._controls(request), copied)
        if "jawOpen" in changes:
            changes["jawOpen"] *= self.jaw
        return changes

    def _controls(self, request: RigRequest) -> dict[str, float]:
        """Changes of controls.  Raises BadRequest for names and numbers that make no sense."""
        asked = request.expression
        if not asked:
            return {}
        if isinstance(asked, Mapping):
            return {_known(name): request.strength * _number(name, amount) for name, amount in asked.items()}
        wanted = BY_COEFFICIENT[asked.strip().lower()]
        return {name: request.strength * (value - self._level(name)) for name, value in wanted.items()}

    def _level(self, control: str) -> float:
        """Of the photograph's own expression.  Lids close from wherever they are."""
        shares, own = CONTROLS[control], self.photograph.blendshapes
        if control == "eye_open":
            return 0.0
        return float(np.clip(np.mean([own.get(name, 0.0) / share for name, share in shares.items()]), 0, 1))

    def _coefficients(self, request: RigRequest, like: PhotoRig | None) -> np.ndarray | None:
        """Of the light that is asked for, [9,3]."""
        if request.light is not None:
            return request.light.coefficients().numpy()
        if like is not None and "light" in request.copied:
            return np.repeat(like.shading.lamp[:, None], 3, 1)
        return None

    def _difference(self, asked: light.Light | None) -> float:
        """0 where the light that is asked for is the photograph's own, which only roughly describes it, to 1."""
        if asked is None:
            return 1.0
        moved = float((asked.coefficients() - self.light.coefficients()).norm())
        return min(1.0, (moved / UNLIKE + abs(asked.warmth - self.light.warmth)))


def photo_rig(photograph: Photograph, landmarker: Landmarker | None = None) -> PhotoRig:
    """Take a photograph with a face apart, and try out turns with the landmarker: its depth is only roughly right."""
    rig = PhotoRig(photograph, layers(photograph), landmarker)
    if landmarker is None:
        return rig
    for _ in range(3):
        rig = replace(rig, response=_response(rig))
    return replace(rig, jaw=_jaw(rig))


def _jaw(rig: PhotoRig) -> float:
    """What a motion of the jaw has to be multiplied by so that MediaPipe finds `OPENED` of it."""
    head, own = rig.layers.head, rig.photograph.blendshapes.get("jawOpen", 0.0)
    if own > 0.5:  # open already
        return 1.0
    target = head.moved(expression=face_motion().move({"jawOpen": JAW_TRIAL}, head.face))
    face = rig.seen(draw(rig._small, target, head.moved())[0])
    rise = 0.0 if face is None else face.blendshapes["jawOpen"] - own
    return float(np.clip(OPENED * JAW_TRIAL / max(rise, 1e-3), 0.75, 1.35))


def _response(rig: PhotoRig) -> np.ndarray:
    """What MediaPipe finds where the rig tries to turn the head by `TRIALS`, see `PhotoRig`."""
    response = rig.response.copy()
    for axis, degrees in enumerate(TRIALS):
        for side, sign in enumerate((-1, 1)):
            asked = np.zeros(2)
            asked[axis] = sign * degrees
            turn = np.array([*rig.corrected(asked), 0.0])
            target = rig.layers.head.moved(turn)
            found = rig.turned(draw(rig._small, target, target)[0])
            if found is not None:
                other = 1 - axis
                rest = np.array(found[:2]) - turn[other] * response[other, int(turn[other] >= 0)]
                share = rest / turn[axis]
                share[axis] = np.clip(share[axis], LEAST, 1.3)
                share[other] = np.clip(share[other], -ASIDE, ASIDE)
                response[axis, side] = share
    return response


def _known(control: str) -> str:
    if control in CONTROLS:
        return control
    raise BadRequest(f"A photograph has no control '{control}'.", f"Choose from: {', '.join(CONTROLS)}.")


def _number(name: str, amount: float) -> float:
    if isinstance(amount, bool) or not isinstance(amount, (int, float)) or not -2 <= amount <= 2:
        raise BadRequest(f"{name} = {amount} is out of range.", "Give -2 to 2.")
    return float(amount)


def _too_far(name: str, degrees: float, own: float, most: float, furthest: float) -> BadRequest:
    low, high = max(-most, -furthest - own), min(most, furthest - own)
    return BadRequest(
        f"A {name} of {degrees:.0f} degrees would show more of this head than the photo does.",
        f"Give {min(low, 0):.0f} to {max(high, 0):.0f} degrees.",
    )
