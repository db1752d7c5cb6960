"""Hair and face from other photos: what `Studio.transfer`, `.swap_face` and `.target_mask` do (Barbershop).

Arguments are checked when called; the work is a generator of steps.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image

from .. import photo
from ..editing import chain, recipe
from ..editing.regions import FACE, REGIONS, parse, region_index
from ..editing.result import Result
from ..errors import BadRequest
from ..inversion.codes import Code
from ..networks.arcface import identity_embedding
from ..photo import Portrait
from ..photo.pixels import to_uint8
from ..progress import Step, Steps
from ..stages import StageTimer, memory_errors
from .compose import SKIN_TONED, Assignment, Composite, Reference, composite, is_turned, make_target
from .target_mask import check_mode, read_painted
from .transfer_presets import TransferPreset, transfer_preset


@dataclass(frozen=True)
class Sources:
    """Photos by role, the person's first; the role that each region's shape and colours come from."""

    roles: dict[str, Portrait]
    structure: dict[str, str]
    appearance: dict[str, str]


@dataclass(frozen=True)
class Settings:
    """What else a request says; ``mask`` is a painted target mask, uint8 [H,W]."""

    preset: TransferPreset
    mode: str
    smooth: int
    seed: int = 0
    mask: np.ndarray | None = None
    paste: bool = True
    previous: Result | None = None


def transfer(
    studio,
    face: Portrait,
    hair_shape: Portrait | None = None,
    hair_color: Portrait | None = None,
    regions: Mapping[str, Portrait] | None = None,
    mask: np.ndarray | None = None,
    mode: str = "realistic",
    smooth: int = 5,
    preset: str | TransferPreset = "fast",
    seed: int = 0,
    paste: bool = True,
    previous: Result | None = None,
) -> Steps[Result]:
    """The person of ``face`` with regions of other photos.

    hair_shape, hair_color: either may be absent; then the hair keeps the person's own.
    regions: region -> portrait, shape and colour both (of skin-coloured parts the shape only);
        "face" stands for all parts of a face.  Any regions, any number of sources.
    mask: a painted target mask, uint8 [H,W] region indices or [H,W,3] region colours, used instead
        of the automatic one.
    mode: "realistic" or "fidelity", see :mod:`.target_mask`.  smooth: 0..40, px at 256 px.
    seed: kept in the recipe.  Nothing here is drawn at random: the same photos, preset and device
        give the same picture.
    paste: also return the edit into the whole photo.
    previous: go on from this result (of the same ``face``) instead of from the photo.

    Raises BadRequest where an argument makes no sense.
    """
    sources = _sources(face, hair_shape, hair_color, regions)
    if len(sources.roles) == 1 and mask is None:
        raise BadRequest(
            "There is nothing to transfer.",
            "Give a photo for the hair's shape or colour, for a region, or a painted mask.",
        )
    settings = _settings(studio, sources, preset, mode, smooth, seed, previous, paste, mask)
    told = {
        "regions": sorted(_expand(regions)),
        "mask": None if mask is None else hashlib.sha256(settings.mask.tobytes()).hexdigest(),
    }
    return _run(studio, "transfer", sources, settings, told)


def swap_face(
    studio,
    face: Portrait,
    into: Portrait,
    mode: str = "realistic",
    smooth: int = 5,
    preset: str | TransferPreset = "fast",
    seed: int = 0,
    paste: bool = True,
    previous: Result | None = None,
) -> Steps[Result]:
    """The face of ``face`` in the photo ``into``, whose hair, pose, light and skin tone stay.

    Arguments and errors as in :func:`transfer`.  The identity score compares with ``face``.
    """
    sources = Sources(
        {"face": into, "swapped": face},
        {region: "swapped" for region in FACE},
        {region: "swapped" for region in FACE if region not in SKIN_TONED},
    )
    settings = _settings(studio, sources, preset, mode, smooth, seed, previous, paste)
    return _run(studio, "swap_face", sources, settings, {})


def target_mask(
    studio,
    face: Portrait,
    hair_shape: Portrait | None = None,
    hair_color: Portrait | None = None,
    regions: Mapping[str, Portrait] | None = None,
    mode: str = "realistic",
    smooth: int = 5,
    preset: str | TransferPreset = "fast",
    seed: int = 0,
    previous: Result | None = None,
) -> Steps[np.ndarray]:
    """Only the automatic target mask of a transfer, uint8 [R,R], for repainting.

    Arguments as in :func:`transfer`; a hair colour changes nothing here.
    """
    sources = _sources(face, hair_shape, None, regions)
    return _run_mask(studio, sources, _settings(studio, sources, preset, mode, smooth, seed, previous))


# --- the work ---------------------------------------------------------------------------------


@memory_errors
def _run_mask(studio, sources: Sources, settings: Settings) -> Steps[np.ndarray]:
    shapes = Sources(sources.roles, sources.structure, {})
    references, assignment = yield from read(studio, shapes, settings.preset, settings.previous, space="W+")
    target, _ = yield from make_target(
        studio.pack, references, assignment, settings.preset, settings.mode, settings.smooth, None
    )
    return target.labels.to("cpu", torch.uint8).numpy()


@memory_errors
def _run(studio, operation: str, sources: Sources, settings: Settings, told: Mapping) -> Steps[Result]:
    pack, person, previous, watch = studio.pack, sources.roles["face"], settings.previous, StageTimer()
    references, assignment = yield from watch(read(studio, sources, settings.preset, previous))
    fidelity = _reconstruction(pack, references[0])
    notices = _notices(pack, sources, references, assignment, fidelity)
    for notice in notices:
        yield Step("parse", len(references), len(references), notice=notice)
    made = yield from watch(
        composite(
            pack, references, assignment, settings.preset, settings.mode, settings.smooth, settings.mask
        )
    )
    image = to_uint8(made.image)[0].numpy()
    changed = chain.with_earlier(made.changed.cpu().numpy().astype(np.float32), previous)
    pasted = None
    if settings.paste:
        with watch.stage("paste back"):
            pasted = Image.fromarray(photo.paste_back(person, image, changed))
        yield Step("paste back", 1, 1, preview=lambda: image)
    with watch.stage("scores"):
        other = "swapped" if operation == "swap_face" else "face"
        compared = references[_place(sources.roles, other, previous)]
        scores = _scores(pack, made, compared, assignment)
    scores |= {"reconstruction": round(fidelity, 2), "losses": watch.losses, "seconds": watch.seconds}
    labels = made.target.labels.to("cpu", torch.uint8).numpy()
    masks = {"target": labels, "changed": changed}
    masks |= {name: labels == region_index(name) for name in REGIONS if (labels == region_index(name)).any()}
    written = recipe.make(
        operation,
        {"mode": settings.mode, "smooth": settings.smooth, **told},
        {role: portrait.digest for role, portrait in sources.roles.items()},
        pack,
        settings.preset.name,
        settings.seed,
        None if previous is None else previous.recipe,
    )
    return Result(
        Image.fromarray(image),
        pasted,
        made.code.to("cpu"),
        masks,
        scores,
        written,
        (*person.notices, *notices),
    )


def read(
    studio, sources: Sources, preset: TransferPreset, previous: Result | None, space: str = "FS"
) -> Steps[tuple[list[Reference], Assignment]]:
    """Parse and embed each different photo once; the person is number 0, as ``previous`` left it."""
    pack = studio.pack
    yield from pack.download()  # with progress, instead of silently at first use
    places = {role: _place(sources.roles, role, previous) for role in sources.roles}
    portraits: dict[int, Portrait] = {}
    for role, place in places.items():
        portraits.setdefault(place, sources.roles[role])
    assignment = Assignment(
        {region: places[role] for region, role in sources.structure.items()},
        {region: places[role] for region, role in sources.appearance.items()},
    )
    images = [portraits[k].tensor(pack.working_size, pack.device) for k in range(len(portraits))]
    if previous is not None:
        images[0] = chain.picture(previous, pack)
    labels = []
    for k, image in enumerate(images):
        labels.append(parse(pack.parser, image)[0])
        yield Step("parse", k + 1, len(images))
    # F is of use for the person and for shapes that stay as they are; else W+ will do, which is quicker.
    detailed = {0} | {k for k in assignment.structure.values() if not is_turned(labels[k], labels[0], preset)}
    codes: dict[int, Code] = {}
    if previous is not None:
        codes[0] = yield from chain.plain_code(pack, previous, preset.inversion)
        detailed.discard(0)
    plain = sorted({*portraits} - detailed - {*codes})
    for group, its_space in ((sorted(detailed), space), (plain, "W+")):
        found = yield from studio.codes([portraits[k] for k in group], its_space, preset.inversion)
        codes |= dict(zip(group, found))
    return [Reference(images[k], labels[k], codes[k]) for k in range(len(images))], assignment


def _place(roles: Mapping[str, Portrait], role: str, previous: Result | None) -> int:
    """Number of a role's photo among the different photos, the person's first.

    An edited person is another picture than their photo."""
    digests = {name: portrait.digest for name, portrait in roles.items()}
    if previous is not None:
        digests[next(iter(roles))] = "previous"
    return list(dict.fromkeys(digests.values())).index(digests[role])


# --- what is said of it -----------------------------------------------------------------------


@torch.no_grad()
def _reconstruction(pack, reference: Reference) -> float:
    """PSNR in dB of a code's image against the photo."""
    rebuilt = reference.code.synthesis(pack.generator, pack.working_size).clamp(-1, 1)
    return -10 * float(torch.log10((rebuilt - reference.image).square().mean() / 4 + 1e-10))


def _notices(pack, sources: Sources, references, assignment: Assignment, fidelity: float) -> list[str]:
    notices = []
    if fidelity < chain.FOREIGN:
        notices.append(
            f"This photo lies outside of what the pack '{pack.name}' has learnt, so changed parts "
            "will look less like it; the rest keeps the photo's own pixels."
        )
    for region, k in {**assignment.structure, **assignment.appearance}.items():
        if k and not bool((references[k].labels == region_index(region)).any()):
            role = sources.structure.get(region) or sources.appearance.get(region)
            notices.append(f"The photo given for {role.replace('_', ' ')} shows no {region}.")
    return notices


@torch.no_grad()
def _scores(pack, made: Composite, compared: Reference, assignment: Assignment) -> dict[str, Any]:
    a, b = (identity_embedding(pack.identity, image) for image in (compared.image, made.image))
    found, wanted = parse(pack.parser, made.image)[0], made.target.labels
    iou = {}
    for name in dict.fromkeys([*assignment.structure, *assignment.appearance, "skin", "hair"]):
        ours, theirs = found == region_index(name), wanted == region_index(name)
        union = float((ours | theirs).sum())
        if union:
            iou[name] = round(float((ours & theirs).sum()) / union, 4)
    return {"identity": round(float((a * b).sum()), 4), "iou": iou}


# --- arguments --------------------------------------------------------------------------------


def _sources(face, hair_shape, hair_color, regions: Mapping[str, Portrait] | None) -> Sources:
    roles: dict[str, Portrait] = {"face": face}
    structure: dict[str, str] = {}
    appearance: dict[str, str] = {}
    for region, portrait in _expand(regions).items():
        role = f"region {region}"
        roles[role] = portrait
        structure[region] = role
        if region not in SKIN_TONED:
            appearance[region] = role
    if hair_shape is not None:
        roles["hair_shape"], structure["hair"] = hair_shape, "hair_shape"
    if hair_color is not None:
        roles["hair_color"], appearance["hair"] = hair_color, "hair_color"
    return Sources(roles, structure, appearance)


def _expand(regions: Mapping[str, Portrait] | None) -> dict[str, Portrait]:
    """Regions by their canonical names; "face" becomes its parts."""
    found: dict[str, Portrait] = {}
    for name, portrait in (regions or {}).items():
        known = str(name).strip().lower()
        if known == "face":
            found |= {part: portrait for part in FACE if part not in found}
        else:
            found[REGIONS[region_index(known)]] = portrait
    return found


def _settings(
    studio, sources: Sources, preset, mode, smooth, seed, previous, paste=True, mask=None
) -> Settings:
    """The rest of a request, all of it checked.  Raises BadRequest."""
    numbers = transfer_preset(preset)
    for role, portrait in sources.roles.items():
        if not isinstance(portrait, Portrait):
            raise BadRequest(
                f"What was given for {role.replace('_', ' ')} is no portrait.",
                "Read the photo first: studio.read(path).",
            )
    check_mode(mode)
    if isinstance(smooth, bool) or not isinstance(smooth, (int, float)) or not 0 <= smooth <= 40:
        raise BadRequest(f"smooth = {smooth} makes no sense.", "Give pixels from 0 to 40; 5 is usual.")
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise BadRequest(f"The seed {seed!r} is no whole number.", "Give one, such as 0.")
    if mask is not None:
        mask = read_painted(mask).numpy().astype(np.uint8)
    chain.check(previous, studio.pack)
    return Settings(numbers, mode, smooth, seed, mask, paste, previous)
