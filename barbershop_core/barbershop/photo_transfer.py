"""Transfer between photographs: hair and features are carried from photo to photo, at full resolution.

The pack's code does not explain such portraits, so that the generator could only paint hair of its own.  The steps
are Barbershop's, with pictures in the place of codes: a field aligns the reference with the person
(`compositing.motion`), its structure is laid over the person's (`features`, `carry`), its appearance kept or
exchanged.  F follows the same field, so that later edits start from a code of what is seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..compositing.photograph import Photograph
from ..editing import chain, photographs, recipe
from ..editing.beforehand import FACE, HAIR, of_photograph, of_two, unlike
from ..editing.masks import to_feature
from ..editing.regions import REGIONS, overlaps, parse, region_index
from ..editing.request import Request
from ..editing.result import Result
from ..inversion.cache import CodeCache
from ..inversion.codes import Code
from ..inversion.explained import explains
from ..inversion.invert import codes_of
from ..photo import Portrait
from ..photo.pixels import from_uint8, quantized
from ..precision import LEAST_SIZE
from ..progress import Step, Steps
from ..protocols import PackLike
from ..stages import StageTimer
from ..workers.background import in_background
from ..workers.threads import a_core_left
from .carry import Carried, carry_feature, carry_hair
from .features import carry_features, remarks
from .structure import Assignment
from .transfer_presets import TransferPreset

MASKED = 256
"""px of the target mask."""
MARGIN = 0.35
"""How much more of a reference's photo than its crop is used on each side, as a share of the crop's side."""


@dataclass(frozen=True)
class Opened:
    """The photos of a transfer, by number; the person is number 0.

    notices: what is known of the edit beforehand.  rendered: numbers of the portraits that the pack's code explains,
    which are pictures of its generator's world.
    """

    portraits: Mapping[int, Portrait]
    photographs: Mapping[int, Photograph]
    assignment: Assignment
    notices: tuple[str, ...] = ()
    rendered: frozenset[int] = frozenset()


def open_photographs(
    pack: PackLike, request: Request, portraits: Mapping[int, Portrait], images: list[Tensor], assignment: Assignment
) -> Steps[Opened | None]:
    """The portraits as photographs; None if the pack's code explains all of them, or one shows no face.

    portraits, images: by number, the person first; the person's image as the previous edit left it.
    Yields the stage "parse".
    """
    own = {**portraits, 0: None} if request.previous is not None else portraits
    if pack.landmarker is None:
        return None
    rendered = frozenset(k for k, image in enumerate(images) if explains(pack, image, own[k]))
    if len(rendered) == len(images):
        return None
    kind = HAIR if assignment.gives("hair") or request.options.get("mask") is not None else FACE
    found, notices = {}, []
    for k, portrait in portraits.items():
        found[k] = photographs.photograph(pack, portrait, None if k else request.previous, margin=MARGIN if k else 0.0)
        if found[k].mesh is None:
            yield Step("parse", k + 1, len(portraits), notice=unlike(pack.name))
            return None
        told = of_photograph(found[k], kind, who="a photo to take from" if k else "")
        if k and k in (assignment.shape_of("hair"), assignment.structure.get("hair")):
            told += of_two(found[0], found[k])
        for notice in told or [""]:
            yield Step("parse", k + 1, len(portraits), notice=notice)
        notices += told
    return Opened(portraits, found, assignment, tuple(notices), rendered)


def transfer_photographs(
    pack: PackLike,
    cache: CodeCache | None,
    request: Request,
    opened: Opened,
    preset: TransferPreset,
    notices: list[str],
    timer: StageTimer,
) -> Steps[Result]:
    """Carry features, then hair; the codes are found meanwhile, which no picture here is made of.

    Yields the embedding's stages, "blend structure", "blend appearance" and "paste back".
    """
    with in_background(_carried, opened, request.options.get("mask")) as work:
        steps = _codes(pack, cache, request, opened, preset)
        # Of a large generator the codes take minutes, for which a core is worth more than these few seconds.
        codes = yield from timer(steps if pack.generator.size >= LEAST_SIZE else a_core_left(steps))
        yield Step("blend structure", 1, 1)
        with timer.stage("blend appearance"):
            made, changed, hair, remarked = work.result()
    yield Step("blend appearance", 1, 1, preview=lambda: quantized(made.image))
    code, notices = _code(codes, hair, opened), [*opened.notices, *notices, *remarked]
    return (yield from _finish(pack, request, opened.photographs[0], made, changed, code, notices, timer))


def _carried(opened: Opened, mask: np.ndarray | None) -> tuple[Photograph, np.ndarray, Carried | None, list[str]]:
    """The person with the features, then the hair of the others; where it differs, float32 [S,S] in 0..1; the hair as
    it was carried, None where it stays; and sentences about the features."""
    now, notices, hair = opened.photographs[0], [], None
    changed = np.zeros(now.image.shape[:2], np.float32)
    for k, regions in _features(opened.assignment.structure).items():
        image, where = carry_features(now, opened.photographs[k], regions)
        notices += remarks(now, opened.photographs[k])
        now, changed = replace(now, image=image), np.maximum(changed, where)
    if opened.assignment.gives("hair") or mask is not None:
        hair = _hair(now, opened, mask)
        now, changed = replace(now, image=hair.image, parts=hair.parts), np.maximum(changed, hair.changed)
    return now, changed, hair, notices


def target_labels(opened: Opened) -> np.ndarray:
    """The regions that a transfer between photographs lays together, uint8 [MASKED,MASKED], to repaint."""
    return photographs.labels(_hair(opened.photographs[0], opened).parts, MASKED)


def _hair(person: Photograph, opened: Opened, mask: np.ndarray | None = None) -> Carried:
    """The person with the hair that the photos give; mask: a painted target mask, region indices [h,w]."""
    assignment, photographs = opened.assignment, opened.photographs
    shape, strands = assignment.shape_of("hair"), assignment.structure.get("hair", 0)
    colour = assignment.appearance.get("hair", 0)
    own = None if colour == strands else photographs[colour]
    wanted = None if mask is None else mask == region_index("hair")
    if wanted is None and shape != strands:  # the outline of one photo's hair, filled with another's strands
        outline = carry_hair(person, photographs[shape], None).parts if shape else person.parts
        wanted = outline["hair"] > 0.5 if "hair" in outline else np.zeros((MASKED, MASKED), bool)
    rendered = strands in opened.rendered and 0 not in opened.rendered
    return carry_hair(person, photographs[strands] if strands else None, own, wanted, rendered)


def _features(structure: Mapping[str, int]) -> dict[int, list[str]]:
    """The regions beside hair that each photo gives."""
    found: dict[int, list[str]] = {}
    for region, k in structure.items():
        if k and region != "hair":
            found.setdefault(k, []).append(region)
    return found


def _codes(
    pack: PackLike, cache: CodeCache | None, request: Request, opened: Opened, preset: TransferPreset
) -> Steps[dict[int, Code]]:
    """F/S codes of the person and of the photo whose strands are carried."""
    chosen, codes = {0, opened.assignment.structure.get("hair", 0)}, {}
    if request.previous is not None:
        codes[0] = yield from chain.plain_code(pack, request.previous)
        chosen.discard(0)
    numbers = sorted(chosen)
    portraits = [opened.portraits[k] for k in numbers]
    return codes | dict(zip(numbers, (yield from codes_of(pack, cache, portraits, "FS", preset.inversion))))


def _code(codes: Mapping[int, Code], hair: Carried | None, opened: Opened) -> Code:
    """The person's code with the carried hair's F where that hair is."""
    code, strands = codes[0], opened.assignment.structure.get("hair", 0)
    if hair is None or hair.field is None:
        return code
    size = opened.photographs[strands].size
    margin = round((size - size / (1 + 2 * MARGIN)) / 2)
    feature = carry_feature(codes[strands].feature, hair.field, size, len(hair.image), margin)
    alpha = torch.from_numpy(hair.parts["hair"]).to(feature)
    share = to_feature(alpha, feature.shape[-1]).clamp(0, 1)
    return replace(code, feature=code.feature + share * (feature - code.feature))


def _finish(
    pack: PackLike,
    request: Request,
    person: Photograph,
    made: Photograph,
    changed: np.ndarray,
    code: Code,
    notices: list[str],
    timer: StageTimer,
) -> Steps[Result]:
    pixels = quantized(made.image)
    pasted, changed = yield from chain.paste_back(request, pixels, changed, timer)
    with timer.stage("scores"):
        small = pack.working_size
        before, after = (from_uint8(quantized(photo.image), pack.device) for photo in (person, made))
        labels = photographs.labels(made.parts, small)
        found = parse(pack.parser, after, small)[0].cpu().numpy()
        if request.operation == "swap_face":  # the face is to be the donor's
            before = request.photos["face"].tensor(small, pack.device)
        scores = chain.likeness(pack, before, after, "photograph")
        scores["iou"] = overlaps(found, labels, ("skin", "hair"))
    present = {name: labels == region_index(name) for name in REGIONS}
    return Result(
        Image.fromarray(pixels),
        pasted,
        code.to("cpu"),
        {"target": labels, "changed": changed, **{name: mask for name, mask in present.items() if mask.any()}},
        {**scores, "losses": timer.losses, "seconds": timer.seconds},
        recipe.make(request, pack),
        (*request.portrait.notices, *dict.fromkeys(notices)),
    )
