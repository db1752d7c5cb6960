"""Edits one after the other: each starts from the code and the picture that the one before left.

Results are pasted into the person's own photo, so the masks of all edits are joined; the recipe keeps every
step.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .. import photo
from ..compositing.photograph import Photograph
from ..compositing.planes import resized
from ..errors import BadRequest
from ..inversion.cache import CodeCache
from ..inversion.codes import Code
from ..inversion.embed import plain
from ..inversion.explained import explains
from ..inversion.inversion_presets import InversionPreset
from ..inversion.invert import codes_of
from ..networks.arcface import identity_embedding
from ..photo.paste import change_mask, feathered
from ..photo.pixels import from_uint8, to_uint8
from ..progress import Step, Steps
from ..protocols import PackLike
from ..stages import StageTimer
from . import photographs, recipe
from .beforehand import unlike
from .composite import changed_area, keep_pixels
from .likeness import level
from .photo_edit import PhotoEdit
from .regions import parse, region_mask
from .request import Request
from .result import Result

OUT_OF_DOMAIN = 21.0
"""dB: below this reconstruction, a portrait is unlike what the pack was trained on."""

PERSON, SEEN = ("skin", "nose", "mouth", "hair"), 0.03
"""Regions that make a person, and the least share of a crop that they take up."""
SOFT = 3
"""px at 256 px by which a named region is widened, so that its outline changes, too."""


@dataclass(frozen=True)
class Start:
    """Where an edit starts.

    request: what was asked for.  image: [1,3,R,R] in [-1,1], the crop so far.  code: of that crop.
    generated: [1,3,R,R], the code's own image, clamped.  timer: seconds and losses of the stages so far.
    photograph: the crop so far at the photo's resolution, if the edit is to move and change its pixels.
    edit: edits of that photograph by its code.  notices: what was known before the edit of what it cannot do.
    """

    request: Request
    image: Tensor
    code: Code
    generated: Tensor
    timer: StageTimer = field(default_factory=StageTimer)
    photograph: Photograph | None = None
    edit: PhotoEdit | None = None
    notices: tuple[str, ...] = ()


def check(previous: Any, pack: PackLike) -> None:
    """Raises BadRequest unless ``previous`` is None or a result of this pack."""
    if previous is None:
        return
    if not isinstance(previous, Result):
        raise BadRequest("What was given as the previous edit is not a result.", "Give what an edit returned.")
    code, g = previous.code, pack.generator
    if code.w_plus.shape[1:] != (g.n_latent, g.style_dim):
        raise BadRequest("The previous edit was made with another pack.", "Use the pack it was made with.")


def picture(previous: Result, pack: PackLike) -> Tensor:
    """The crop that a result shows, [1,3,R,R] in [-1,1] on the pack's device."""
    image, size = previous.image.convert("RGB"), (pack.working_size,) * 2
    if image.size != size:
        image = image.resize(size, Image.Resampling.LANCZOS)
    return from_uint8(np.asarray(image), pack.device)


def opened(
    pack: PackLike, request: Request, image: Tensor, beforehand: Callable[[Photograph], list[str]] | None = None
) -> Steps[tuple[Photograph | None, tuple[str, ...]]]:
    """The portrait [1,3,R,R] as a photograph, whose pixels are to be moved and changed, and what is known of the edit
    before it is made; None for a portrait that the pack's code explains, which the generator can draw, and where no
    face is found."""
    own = request.portrait if request.previous is None else None
    if pack.landmarker is None or explains(pack, image, own):
        return None, ()
    found = photographs.photograph(pack, request.portrait, request.previous)
    if found.mesh is None:
        notices = [unlike(pack.name)]
    else:
        notices = [] if beforehand is None else beforehand(found)
    for notice in notices:
        yield Step("parse", 1, 1, notice=notice)
    return (None if found.mesh is None else found), tuple(notices)


def plain_code(pack: PackLike, previous: Result) -> Steps[Code]:
    """A result's code as F and rows of W+ alone, as Barbershop combines them."""
    return (yield from plain(pack, previous.code.to(pack.device).with_feature(pack.generator)))


def begin(
    pack: PackLike,
    cache: CodeCache | None,
    request: Request,
    preset: InversionPreset,
    timer: StageTimer,
    beforehand: Callable[[Photograph], list[str]] | None = None,
) -> Steps[Start]:
    """The person's F/S code: of the photo, or as the previous edit left it.

    beforehand: what is known of an edit before it is made, from the photograph; told in the first steps.
    """
    yield from pack.download()
    image = request.portrait.tensor(pack.working_size, pack.device)
    if request.previous is not None:
        image = picture(request.previous, pack)
    found, notices = yield from opened(pack, request, image, beforehand)
    if request.previous is None:
        code = (yield from codes_of(pack, cache, [request.portrait], "FS", preset))[0]
    else:
        code = request.previous.code.to(pack.device).with_feature(pack.generator)
    with torch.no_grad():
        generated = code.synthesis(pack.generator, pack.working_size).clamp(-1, 1)
    edit = None if found is None else PhotoEdit(pack, found, code)
    return Start(request, image, code, generated, timer, found, edit, notices)


@torch.no_grad()
def compose(
    pack: PackLike, start: Start, made: Tensor, changed: np.ndarray | None = None, within: Collection[str] | None = None
) -> tuple[Tensor, np.ndarray]:
    """The crop with the generator's picture [1,3,R,R] where it changed, and where that is.

    changed: float32 [R,R] in 0..1; None finds it from the difference between the generator's picture before
        and after.  within: regions outside of which nothing may change, None for none.
    Returns [1,3,R,R] in [-1,1] and the mask.
    """
    if changed is None:
        before, after = (to_uint8(x)[0].numpy() for x in (start.generated, made))
        changed = feathered(change_mask(before, after)).astype(np.float32)
    if within is not None:
        changed = changed * _area(pack, start.image, made, within)
    mask = torch.from_numpy(changed).to(made.device)
    return keep_pixels(start.image, made, mask, torch.zeros_like(mask)).clamp(-1, 1), changed


def _area(pack: PackLike, before: Tensor, after: Tensor, names: Collection[str]) -> np.ndarray:
    """Where one of two pictures [1,3,R,R] shows the named regions, with a soft border, float32 [R,R].

    Everywhere if the parser sees no person in the first: then it cannot tell where anything is.
    """
    labels = parse(pack.parser, torch.cat([before, after.to(before)]))
    if float(region_mask(labels[0], PERSON).float().mean()) < SEEN:
        return np.ones(labels.shape[-2:], np.float32)
    return changed_area(region_mask(labels, names).any(0), SOFT).cpu().numpy()


def finish(
    pack: PackLike,
    start: Start,
    code: Code,
    scores: Mapping[str, Any] | None = None,
    notices: tuple[str, ...] = (),
    changed: np.ndarray | None = None,
    picture: np.ndarray | None = None,
    within: Collection[str] | None = None,
    made: Tensor | None = None,
) -> Steps[Result]:
    """The result of an edit that changed the code: kept pixels, pasting, scores, recipe.

    scores: beside the ones every result has.  changed: see :func:`compose`.  picture: the edited crop if it is made
        already, float32 [S,S,3] in 0..1; ``changed`` says where.  within: see :func:`compose`.
    made: the generator's own picture, [1,3,R,R], if it is drawn already.
    Yields the stage "paste back".
    """
    request, timer, generated = start.request, start.timer, None
    with timer.stage("render"), torch.no_grad():
        if picture is None and start.edit is not None:
            picture, changed = start.edit(code, within=within)
            notices = tuple(dict.fromkeys((*notices, *start.edit.remarks(code))))
        if picture is not None:
            image = _tensor(picture).to(pack.device)
        else:
            made = code.synthesis(pack.generator, pack.working_size).clamp(-1, 1) if made is None else made
            image, changed = compose(pack, start, made, changed, within)
        if made is not None:
            generated = Image.fromarray(to_uint8(made)[0].numpy())
    pixels = to_uint8(image)[0].numpy()
    pasted, changed = yield from paste_back(request, pixels, changed, timer)
    with timer.stage("scores"):
        kind = "photograph" if start.photograph is not None else "rendered" if not start.notices else ""
        found = {**likeness(pack, start.image, image, kind), **(scores or {})}
    return Result(
        Image.fromarray(pixels),
        pasted,
        code.to("cpu"),
        {"changed": changed},
        {**found, "losses": timer.losses, "seconds": timer.seconds},
        recipe.make(request, pack),
        (*request.portrait.notices, *dict.fromkeys((*start.notices, *notices))),
        generated,
    )


def paste_back(
    request: Request, pixels: np.ndarray, changed: np.ndarray, timer: StageTimer
) -> Steps[tuple[Image.Image | None, np.ndarray]]:
    """The whole photo with the edited crop, None where it is not wanted; and the mask of this and all
    earlier changes.

    pixels: uint8 [R,R,3].  changed: float32 [R,R] in 0..1.  Yields the stage "paste back".
    """
    earlier = None if request.previous is None else request.previous.masks.get("changed")
    if earlier is not None:
        changed = np.maximum(changed, resized(earlier, len(changed)))
    pasted = None
    if request.paste:
        with timer.stage("paste back"):
            pasted = Image.fromarray(photo.paste_back(request.portrait, pixels, changed))
        yield Step("paste back", 1, 1, preview=lambda: pixels)
    return pasted, changed


def _tensor(picture: np.ndarray) -> Tensor:
    """float32 [S,S,3] in 0..1 -> [1,3,S,S] in [-1,1]."""
    return torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None] * 2 - 1


def likeness(pack: PackLike, one: Tensor, two: Tensor, kind: str) -> dict[str, Any]:
    """The scores "identity", a cosine, and "likeness", a word where the pack's network can tell.

    kind: of the pictures, see `likeness.KINDS`; "" for others, of which nothing can be told.
    """
    cosine = similarity(pack, one, two)
    word = level(pack, kind, cosine)
    return {"identity": cosine} | ({} if word is None else {"likeness": word})


@torch.no_grad()
def similarity(pack: PackLike, one: Tensor, two: Tensor) -> float:
    """Cosine of the recognition network's embeddings of two pictures [1,3,R,R] in [-1,1]."""
    a, b = (identity_embedding(pack.identity, image) for image in (one, two))
    return round(float((a * b).sum()), 4)
