"""Hair and face from other photos (Barbershop): the operations transfer, swap_face and target_mask.

Each checks its request when called and returns a generator of steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from PIL import Image

from ..editing import chain, recipe
from ..editing.regions import FACE, REGIONS, overlaps, parse, region_index
from ..editing.request import Request
from ..editing.result import Result
from ..errors import BadRequest
from ..inversion.cache import CodeCache
from ..inversion.codes import Code
from ..inversion.invert import codes_of
from ..photo import Portrait
from ..photo.pixels import to_uint8
from ..progress import Step, Steps
from ..protocols import PackLike
from ..stages import StageTimer
from .compose import SKIN_TONED, composite
from .photo_transfer import Opened, open_photographs, target_labels, transfer_photographs
from .reference import Reference, is_turned
from .structure import Assignment, Plan, make_target
from .target_mask import read_painted
from .transfer_presets import TransferPreset, transfer_preset


@dataclass(frozen=True)
class Sources:
    """Photos by role, the edited person's first; and the roles that regions come from, as in `structure.Assignment`."""

    roles: dict[str, Portrait]
    structure: dict[str, str] = field(default_factory=dict)
    appearance: dict[str, str] = field(default_factory=dict)
    shape: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Numbered:
    """The different photos by number, the person's first; their crops [1,3,R,R] at the generator's size, the person's
    as the previous edit left it; and who gives what."""

    portraits: dict[int, Portrait]
    images: list[torch.Tensor]
    assignment: Assignment


def transfer(pack: PackLike, cache: CodeCache | None, request: Request) -> Steps[Result]:
    """The person of the photo "face" with regions of other photos.

    Photos: "hair_shape", "hair_structure" (strands and curl; without it those of the shape's photo), "hair_color"
    (section 3.7), and those that the option ``regions`` names.  Options: see :data:`.options.TRANSFER`;
    ``regions`` maps a region to the role of its photo, which gives shape and colour (of skin-coloured parts the
    shape only), and "face" stands for all parts of a face; ``mask`` is a painted target mask, uint8 [H,W] region
    indices or [H,W,3] region colours.
    The seed is kept in the recipe; nothing here is drawn at random.

    Raises BadRequest where an option makes no sense.
    """
    sources = _sources(request)
    mask = request.options["mask"]
    if len(sources.roles) == 1 and mask is None:
        raise BadRequest(
            "There is nothing to transfer.",
            "Give a photo for the hair's shape, structure or colour, for a region, or a painted mask.",
        )
    if mask is not None:
        mask = read_painted(mask).numpy().astype(np.uint8)
        request = replace(request, options={**request.options, "mask": mask})
    return _transfer(pack, cache, request, sources)


def swap_face(pack: PackLike, cache: CodeCache | None, request: Request) -> Steps[Result]:
    """The face of the photo "face" in the photo "into", whose hair, pose, light and skin tone stay.

    Options: see :data:`.options.SWAP_FACE`.  The identity score compares with the photo "face".
    """
    sources = Sources(
        {"into": request.photos["into"], "face": request.photos["face"]},
        {region: "face" for region in FACE},
        {region: "face" for region in FACE if region not in SKIN_TONED},
    )
    transfer_preset(request.options["preset"])
    return _transfer(pack, cache, request, sources)


def target_mask(pack: PackLike, cache: CodeCache | None, request: Request) -> Steps[np.ndarray]:
    """Only the automatic target mask of a transfer, uint8 [h,h] region indices, to repaint.

    Photos and options as of :func:`transfer`; a hair colour changes nothing here.
    """
    sources = _sources(request)
    roles = {role: portrait for role, portrait in sources.roles.items() if role != "hair_color"}
    transfer_preset(request.options["preset"])
    return _target_mask(pack, cache, request, Sources(roles, sources.structure, {}, sources.shape))


def _sources(request: Request) -> Sources:
    """Which photo gives what.  Raises BadRequest for unknown regions and roles."""
    transfer_preset(request.options["preset"])
    sources = Sources({"face": request.portrait})
    for region, role in _expanded(request.options["regions"] or {}).items():
        if role not in request.photos:
            raise BadRequest(f"The photo for '{region}' is missing.", "Give it, or leave the region out.")
        sources.roles[role] = request.photos[role]
        sources.structure[region] = role
        if region not in SKIN_TONED:
            sources.appearance[region] = role
    for role, regions in (("hair_shape", sources.structure), ("hair_color", sources.appearance)):
        if role in request.photos:
            sources.roles[role], regions["hair"] = request.photos[role], role
    if "hair_structure" in request.photos:
        sources.roles["hair_structure"] = request.photos["hair_structure"]
        sources.shape["hair"] = sources.structure.get("hair", "face")
        sources.structure["hair"] = "hair_structure"
    return sources


def _expanded(regions: Mapping[str, str]) -> dict[str, str]:
    """Regions by their canonical names; "face" becomes its parts."""
    found: dict[str, str] = {}
    for name, role in regions.items():
        known = str(name).strip().lower()
        if known == "face":
            found |= {part: role for part in FACE if part not in found}
        else:
            found[REGIONS[region_index(known)]] = role
    return found


# --- the work ---------------------------------------------------------------------------------


def _target_mask(pack: PackLike, cache: CodeCache | None, request: Request, sources: Sources) -> Steps[np.ndarray]:
    preset, options = transfer_preset(request.options["preset"]), request.options
    yield from pack.download()
    numbered = _numbered(pack, request, sources)
    opened = yield from _as_photographs(pack, request, numbered, preset)
    if opened is not None:
        return target_labels(opened)
    # A published mask is made of the parses alone; ours brings hair onto the person by its code first.
    space = None if preset.published else "W+"
    references = yield from read(pack, cache, request, numbered, preset, space)
    plan = Plan(numbered.assignment, preset, options["mode"], options["smooth"])
    target, _ = yield from make_target(pack, references, plan)
    return target.labels.to("cpu", torch.uint8).numpy()


def _transfer(pack: PackLike, cache: CodeCache | None, request: Request, sources: Sources) -> Steps[Result]:
    preset, options, timer = transfer_preset(request.options["preset"]), request.options, StageTimer()
    yield from pack.download()  # with progress, instead of silently at first use
    numbered = _numbered(pack, request, sources)
    assignment = numbered.assignment
    opened = yield from timer(_as_photographs(pack, request, numbered, preset))
    if opened is not None:
        notices = _missing(sources, assignment, lambda k, name: bool((opened.photographs[k].part(name) > 0.5).any()))
        return (yield from transfer_photographs(pack, cache, request, opened, preset, notices, timer))
    references = yield from timer(read(pack, cache, request, numbered, preset))
    fidelity = _reconstruction(pack, references[0])
    notices = _notices(pack, sources, references, assignment, fidelity)
    for notice in notices:
        yield Step("parse", len(references), len(references), notice=notice)
    plan = Plan(assignment, preset, options["mode"], options["smooth"], options.get("mask"))
    made = yield from timer(composite(pack, references, plan))
    pixels = to_uint8(made.image)[0].numpy()
    changed = made.changed.cpu().numpy().astype(np.float32)
    pasted, changed = yield from chain.paste_back(request, pixels, changed, timer)
    labels = made.target.labels.to("cpu", torch.uint8).numpy()
    with timer.stage("scores"):
        face = references[_place(sources.roles, "face", request.previous)]
        found = parse(pack.parser, made.image)[0].cpu().numpy()
        scores = {
            **chain.likeness(pack, face.image, made.image, "rendered"),
            "iou": overlaps(found, labels, (*assignment.structure, *assignment.appearance, "skin", "hair")),
            "reconstruction": round(fidelity, 2),
        }
    present = {name: labels == region_index(name) for name in REGIONS}
    return Result(
        Image.fromarray(pixels),
        pasted,
        made.code.to("cpu"),
        {"target": labels, "changed": changed, **{name: mask for name, mask in present.items() if mask.any()}},
        {**scores, "losses": timer.losses, "seconds": timer.seconds},
        recipe.make(request, pack),
        (*request.portrait.notices, *notices, *made.notices),
        Image.fromarray(to_uint8(made.generated)[0].numpy()),
    )


def read(
    pack: PackLike,
    cache: CodeCache | None,
    request: Request,
    numbered: Numbered,
    preset: TransferPreset,
    space: str | None = "FS",
) -> Steps[list[Reference]]:
    """Parse and embed each different photo once; the person as the previous edit left it.

    space: of the codes whose F would be used; None: no codes.
    """
    previous, assignment, labels = request.previous, numbered.assignment, []
    for k, image in enumerate(numbered.images):
        edited = k == 0 and previous is not None
        labels.append(_regions(pack, image, None if edited else numbered.portraits[k]))
        yield Step("parse", k + 1, len(numbered.images))
    if space is None:
        return [Reference(image, labels[k], None) for k, image in enumerate(numbered.images)]
    # F is needed for the person and for structures taken as they are, and S is part of F/S; W+ is quicker and enough
    # for the rest.
    detailed = {0} | set(assignment.appearance.values())
    for region, k in assignment.structure.items():
        if assignment.shape_of(region) != k or not is_turned(labels[k], labels[0], preset):
            detailed.add(k)
    codes: dict[int, Code] = {}
    if previous is not None:
        codes[0] = yield from chain.plain_code(pack, previous)
        detailed.discard(0)
    plain = sorted({*numbered.portraits} - detailed - {*codes})
    count = len(detailed) + len(plain)
    for group, its_space, before in ((sorted(detailed), space, 0), (plain, "W+", len(detailed))):
        chosen = [numbered.portraits[k] for k in group]
        found = yield from codes_of(pack, cache, chosen, its_space, preset.inversion, before, count)
        codes |= dict(zip(group, found))
    return [Reference(image, labels[k], codes[k]) for k, image in enumerate(numbered.images)]


def _regions(pack: PackLike, image: torch.Tensor, portrait: Portrait | None) -> torch.Tensor:
    """Region of each pixel of a picture.  portrait: the one whose crop it is, None for an edited one."""
    if portrait is not None:
        return portrait.once(("regions", pack.fingerprint), lambda: _regions(pack, image, None))
    return parse(pack.parser, image)[0]


def _as_photographs(
    pack: PackLike, request: Request, numbered: Numbered, preset: TransferPreset
) -> Steps[Opened | None]:
    """The photos of a transfer as photographs, where they are to be carried."""
    if not preset.carry:
        return None
    return (yield from open_photographs(pack, request, numbered.portraits, numbered.images, numbered.assignment))


def _numbered(pack: PackLike, request: Request, sources: Sources) -> Numbered:
    places = {role: _place(sources.roles, role, request.previous) for role in sources.roles}
    portraits: dict[int, Portrait] = {}
    for role, place in places.items():
        portraits.setdefault(place, sources.roles[role])
    images = [portraits[k].tensor(pack.working_size, pack.device) for k in range(len(portraits))]
    if request.previous is not None:
        images[0] = chain.picture(request.previous, pack)
    given = (sources.structure, sources.appearance, sources.shape)
    return Numbered(
        portraits, images, Assignment(*({name: places[role] for name, role in roles.items()} for roles in given))
    )


def _place(roles: Mapping[str, Portrait], role: str, previous: Result | None) -> int:
    """Number of a role's photo among the different photos, the person's first.

    A person who was edited before is another picture than their photo."""
    digests = {name: portrait.digest for name, portrait in roles.items()}
    if previous is not None:
        digests[next(iter(roles))] = "previous"
    return list(dict.fromkeys(digests.values())).index(digests[role])


# --- scores and notices -----------------------------------------------------------------------


@torch.no_grad()
def _reconstruction(pack: PackLike, reference: Reference) -> float:
    """PSNR in dB of a code's image against the photo."""
    rebuilt = reference.code.synthesis(pack.generator, pack.working_size).clamp(-1, 1)
    return -10 * float(torch.log10((rebuilt - reference.image).square().mean() / 4 + 1e-10))


def _notices(pack, sources: Sources, references, assignment: Assignment, fidelity: float) -> list[str]:
    notices = []
    if fidelity < chain.OUT_OF_DOMAIN:
        notices.append(
            f"This photo is unlike what the pack '{pack.name}' was trained on: changed parts will look less "
            "like it; the rest keeps the photo's own pixels."
        )
    shown = _missing(sources, assignment, lambda k, name: bool((references[k].labels == region_index(name)).any()))
    return notices + shown


def _missing(sources: Sources, assignment: Assignment, shows: Callable[[int, str], bool]) -> list[str]:
    """Sentences about regions that are wanted from a photo that does not show them."""
    notices = []
    for part in ("shape", "structure", "appearance"):
        for region, k in getattr(assignment, part).items():
            if region == "glasses" and "skin" in sources.structure:  # of a whole face: few wear any
                continue
            if k and not shows(k, region):
                role = getattr(sources, part)[region]
                notices.append(f"The photo given for {role.replace('_', ' ')} shows no {region}.")
    return list(dict.fromkeys(notices))
