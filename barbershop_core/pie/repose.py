"""Edits by the rig (PIE): the operations repose and rig.

Each checks its request when called and returns a generator of steps.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, replace
from functools import partial

import numpy as np
import torch

from ..editing import chain, photographs
from ..editing.beforehand import POSE as POSE_EDIT
from ..editing.beforehand import of_photograph
from ..editing.reading import shows_a_face
from ..editing.request import Request
from ..editing.result import Result
from ..errors import BadRequest, NoFaceFound
from ..face3d.theta import TAU, tau_name
from ..inversion.cache import CodeCache, cache_key
from ..inversion.codes import Code
from ..networks.rignet import RigNet
from ..photo import Portrait
from ..photo.landmarker import open_landmarker
from ..progress import Step, Steps
from ..protocols import PackLike
from ..stages import StageTimer
from . import energy
from .embedding import Embedded, embed
from .face_reader import FaceReader, face_reader, read
from .options import POSE
from .photo_rig import PhotoRig, photo_rig
from .pie_presets import PiePreset, pie_preset
from .rig_request import RigRequest
from .session import RigSession


def repose(pack: PackLike, cache: CodeCache | None, request: Request) -> Steps[Result]:
    """Turn the head, change the expression or the light.

    Photos: "like", another portrait to copy from.  Options: see :data:`.options.REPOSE`; ``copy`` says what
    to take from "like": "pose", "expression", "light" (default all).

    Raises BadRequest where an option makes no sense, errors.FaceModelMissing where the pack has no 3D face,
    NoFaceFound where "like" shows none.
    """
    options, like = request.options, request.photos.get("like")
    pie_preset(options["preset"])
    asked = RigRequest.of(**{option.name: options[option.name] for option in POSE})
    copy = options["copy"]
    if copy is None:
        copy = TAU
    copied = tuple(tau_name(name) for name in ((copy,) if isinstance(copy, str) else copy))
    if like is None and not asked.asks:
        raise BadRequest("Nothing was asked for.", "Give an angle, an expression, a light, a gaze or a photo.")
    if like is not None and not copied:
        raise BadRequest("Nothing is to be copied.", "Choose pose, expression or light.")
    face_reader(pack)  # raises at once where there is no face model
    request = replace(request, options={**options, "copy": None if like is None else list(copied)})
    return _repose(pack, cache, request, asked, copied)


def _repose(
    pack: PackLike, cache: CodeCache | None, request: Request, asked: RigRequest, copied: tuple[str, ...]
) -> Steps[Result]:
    like = request.photos.get("like")
    if like is not None and like.face is None and not shows_a_face(pack, like):
        raise NoFaceFound("The photo to copy from shows no face.")
    session = yield from _rig(pack, cache, request)
    if like is None:
        return (yield from session.finish(request, asked))
    asked = replace(asked, copied=copied)
    if session.photo is not None:
        return (yield from session.finish(request, asked, _like(pack, like)))
    reading = session.reader(like.tensor(pack.working_size, pack.device))
    return (yield from session.finish(request, replace(asked, like=reading.theta)))


def _like(pack: PackLike, portrait: Portrait) -> PhotoRig:
    """A portrait to copy from, as a photograph.  Raises NoFaceFound."""
    found = photographs.photograph(pack, portrait)
    if found.mesh is None:
        raise NoFaceFound("The photo to copy from shows no face.")
    return photo_rig(found)


def rig(pack: PackLike, cache: CodeCache | None, request: Request) -> Steps[RigSession]:
    """Embed a portrait for the rig, once for any number of edits.

    Options: see :data:`.options.RIG`.  Raises errors.FaceModelMissing where the pack has no 3D face.
    """
    pie_preset(request.options["preset"])
    face_reader(pack)
    return _rig(pack, cache, request)


def _rig(pack: PackLike, cache: CodeCache | None, request: Request) -> Steps[RigSession]:
    """The code that minimizes the energy for the portrait, or for the previous edit's picture; from the cache
    where it is known."""
    yield from pack.download()
    preset, seed, previous = pie_preset(request.options["preset"]), request.options["seed"], request.previous
    reader, net, timer = face_reader(pack), pack.optional("rignet"), StageTimer()
    image = request.portrait.tensor(pack.working_size, pack.device)
    (found, warned), photo = (
        (yield from chain.opened(pack, request, image, partial(of_photograph, kind=POSE_EDIT))),
        None,
    )
    if found is not None:
        steps = (round(preset.for_photos * n) for n in (preset.w_steps, preset.w_plus_steps))
        preset = replace(preset, **dict(zip(("w_steps", "w_plus_steps"), steps)))
    digest, begin = request.portrait.digest, None
    if previous is not None:
        image = chain.picture(previous, pack)
        digest = hashlib.sha256(np.asarray(previous.image).tobytes()).hexdigest()
        begin = previous.code.to(pack.device).w_plus
    networks = net is not None, pack.encoder is not None
    key = cache_key(digest, pack.fingerprint, "PIE", (asdict(preset), pack.working_size, seed, *networks))
    code = None if cache is None else cache.get(key, pack.device)
    if code is None:
        embedded = yield from timer(embed(pack, reader, net, image, preset, seed, begin))
        if cache is not None:
            cache.put(key, Code("W+", embedded.w_plus))
    else:
        with torch.no_grad():
            made = code.synthesis(pack.generator, pack.working_size).clamp(-1, 1)
        embedded = Embedded(code.w_plus, made, energy.target_of(pack, reader, image))
    if found is not None:
        with timer.stage("layers"):
            photo = photo_rig(found, open_landmarker(pack.landmarker))
        yield Step("layers", 1, 1)
    start = chain.Start(request, image, Code("W+", embedded.w_plus), embedded.image, timer, found, None, warned)
    return session_of(pack, start, embedded, reader, net, preset, photo)


def session_of(
    pack: PackLike,
    start: chain.Start,
    embedded: Embedded,
    reader: FaceReader,
    net: RigNet | None,
    preset: PiePreset,
    photo: PhotoRig | None = None,
) -> RigSession:
    """An embedded portrait with the pack's rig, None where it has none; photo: a photograph's own."""
    with torch.no_grad():
        theta = read(reader, embedded.image)
    notices = () if photo is not None else _notices(pack, embedded, net)
    return RigSession(pack, start, embedded, theta, reader, net, preset, notices, photo)


def _notices(pack: PackLike, embedded: Embedded, net: RigNet | None) -> tuple[str, ...]:
    notices = []
    error = (embedded.image - embedded.target.image).square().mean() / 4
    if -10 * float(error.log10()) < chain.OUT_OF_DOMAIN:
        notices.append(
            f"This photo is unlike what the pack '{pack.name}' was trained on: the moved portrait will look "
            "less like it."
        )
    if net is None:
        notices.append(f"The pack '{pack.name}' has no trained rig, so each edit is a latent optimization.")
    return tuple(notices)
