"""The facade's edits by the rig: what `Studio.repose` and `Studio.rig` do.

Arguments are checked when called; the work is a generator of steps.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch

from ..editing import chain
from ..editing.result import Result
from ..errors import BadRequest, NoFaceFound
from ..face3d.theta import TAU, tau_name
from ..inversion.cache import cache_key
from ..inversion.codes import Code
from ..photo import Portrait
from ..photo.pixels import to_uint8
from ..progress import Steps
from ..stages import StageTimer, memory_errors
from . import energy
from . import pie_presets as presets
from .embedding import Embedded, embed
from .face_reader import face_reader
from .rig_request import POSE, Light, asked
from .session import RigSession

METHODS = ("rig", "optimize")
DEFAULTS: dict[str, Any] = {**POSE, "copy": None, "method": None, "preset": "fast", "seed": 0}
"""Settings of a request (`barbershop_core.jobs`) and of a recipe."""


def start(
    studio, portraits: Mapping[str, Portrait], settings: Mapping[str, Any], previous: Result | None
) -> Steps[Result]:
    """A request of `barbershop_core.jobs`: settings as in ``DEFAULTS``, photos "face" and "like"."""
    given = {k: v if settings.get(k) is None else settings[k] for k, v in DEFAULTS.items()}
    given["copy"] = tuple(given["copy"] or TAU)
    return repose(studio, portraits["face"], like=portraits.get("like"), previous=previous, **given)


def repose(
    studio,
    portrait: Portrait,
    yaw: float = 0.0,
    pitch: float = 0.0,
    roll: float = 0.0,
    expression: str | Mapping[str, float] | None = None,
    strength: float = 1.0,
    light: Light = None,
    like: Portrait | None = None,
    copy: tuple[str, ...] = tuple(TAU),
    preset: str | presets.PiePreset = "fast",
    previous: Result | None = None,
    method: str | None = None,
    seed: int = 0,
    paste: bool = True,
) -> Steps[Result]:
    """Turn the head, change the expression or the light (PIE).

    yaw, pitch, roll: degrees to turn by: to the picture's right, up, clockwise.
    expression: a name (`expressions.NAMES`) with strength 0..1.5, or amounts by the face model's controls.
    light: azimuth and elevation in degrees, strength, warmth (`light.Light`).
    like, copy: another portrait, and what to take from it: "pose", "expression", "light".
    method: "rig" (RigNet), "optimize" (latent optimization against theta), or None: the rig where the pack
        has one.  previous: go on from this result instead of from the photo.

    Raises BadRequest where an argument makes no sense, errors.FaceModelMissing where the pack has no 3D face,
    NoFaceFound where ``like`` shows none.
    """
    numbers = presets.pie_preset(preset)
    if not isinstance(portrait, Portrait) or not isinstance(like, (Portrait, type(None))):
        raise BadRequest("What was given is no portrait.", "Read the photo first: studio.read(path).")
    names = tuple(tau_name(name) for name in ((copy,) if isinstance(copy, str) else copy))
    if method is not None and method not in METHODS:
        raise BadRequest(f"There is no method '{method}'.", f"Choose one of: {', '.join(METHODS)}.")
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise BadRequest(f"The seed {seed!r} is no whole number.", "Give one, such as 0.")
    request = asked(yaw, pitch, roll, expression, strength, light)
    if like is None and not request.taus:
        raise BadRequest("Nothing was asked for.", "Give an angle, an expression, a light or a photo.")
    if like is not None and not names:
        raise BadRequest("Nothing is to be copied.", "Choose pose, expression or light.")
    chain.check(previous, studio.pack)
    face_reader(studio.pack)  # says at once that there is no face model
    settings = {
        "yaw": yaw,
        "pitch": pitch,
        "roll": roll,
        "strength": strength,
        "copy": list(names) if like else None,
        "expression": dict(expression) if isinstance(expression, Mapping) else expression,
        "light": None if request.light is None else asdict(request.light),
    }
    return _repose(studio, portrait, request, settings, like, names, numbers, previous, method, seed, paste)


@memory_errors
def _repose(
    studio, portrait, request, settings, like, names, preset, previous, method, seed, paste
) -> Steps[Result]:
    if like is not None and like.face is None and not studio.shows_a_face(like):
        raise NoFaceFound("The photo to copy from shows no face.")
    session = yield from _rig(studio, portrait, preset, previous, seed)
    if like is not None:
        seen = session.reader(like.tensor(studio.pack.working_size, studio.pack.device))
        request = replace(request, like=seen.theta, copied=names)
    if method == "rig" and session.rig is None:
        session.moved(request)  # raises the sentence
    inputs = {} if like is None else {"like": like}
    return (yield from session.finish(request, settings, method, inputs, paste=paste))


def rig(
    studio,
    portrait: Portrait,
    preset: str | presets.PiePreset = "fast",
    previous: Result | None = None,
    seed: int = 0,
) -> Steps[RigSession]:
    """Embed a portrait for the rig (PIE), once for any number of edits; see `repose` for errors."""
    numbers = presets.pie_preset(preset)
    if not isinstance(portrait, Portrait):
        raise BadRequest("What was given is no portrait.", "Read the photo first: studio.read(path).")
    chain.check(previous, studio.pack)
    face_reader(studio.pack)
    return _rig(studio, portrait, numbers, previous, seed)


@memory_errors
def _rig(studio, portrait, preset, previous, seed) -> Steps[RigSession]:
    """The energy's minimum for the portrait, or as ``previous`` left it; from the cache where it is known."""
    pack = studio.pack
    yield from pack.download()
    reader, net, watch = face_reader(pack), pack.optional("rignet"), StageTimer()
    image = portrait.tensor(pack.working_size, pack.device)
    digest, begin = portrait.digest, None
    if previous is not None:
        image = chain.picture(previous, pack)
        digest = hashlib.sha256(np.asarray(previous.image).tobytes()).hexdigest()
        begin = previous.code.to(pack.device).w_plus
    key = cache_key(
        digest, pack.fingerprint, "PIE", (asdict(preset), pack.working_size, seed, net is not None)
    )
    code = studio.cache.get(key, pack.device) if studio.cache is not None else None
    if code is None:
        embedded = yield from watch(embed(pack, reader, net, image, preset, seed, begin))
        if studio.cache is not None:
            studio.cache.put(key, Code("W+", embedded.w_plus))
    else:
        with torch.no_grad():
            made = code.synthesis(pack.generator, pack.working_size).clamp(-1, 1)
        embedded = Embedded(code.w_plus, made, energy.target_of(pack, reader, image))
    return session_of(studio, portrait, image, embedded, reader, net, preset, seed, previous, watch)


def session_of(
    studio, portrait, image, embedded: Embedded, reader, net, preset, seed=0, previous=None, watch=None
) -> RigSession:
    """An embedded portrait under the rig."""
    with torch.no_grad():
        theta = reader(embedded.image).theta
    where = chain.Start(portrait, image, Code("W+", embedded.w_plus), embedded.image, previous)
    notices = _notices(studio.pack, embedded, net)
    return RigSession(
        studio, where, embedded, theta, reader, net, preset, seed, watch or StageTimer(), notices
    )


def _notices(pack, embedded: Embedded, net) -> tuple[str, ...]:
    notices = []
    error = (embedded.image - embedded.target.image).square().mean() / 4
    if -10 * float(error.log10()) < chain.FOREIGN:
        notices.append(
            f"This photo lies outside of what the pack '{pack.name}' has learnt: the moved portrait looks "
            "less like it."
        )
    if net is None:
        notices.append(
            f"The pack '{pack.name}' has no trained rig, so each edit is a latent optimization of its own."
        )
    return tuple(notices)


def preview(session: RigSession) -> np.ndarray:
    """The embedded portrait, uint8 [R,R,3]."""
    return to_uint8(session.embedded.image)[0].numpy()
