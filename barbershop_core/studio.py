"""The facade: everything that can be done with an open pack.

What takes long is a generator of steps (:mod:`.progress`) that returns its result; arguments are
checked when it is called, so a mistake in them is heard before any work.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image

from . import chain, photo, recipe
from .barbershop import presets
from .barbershop.presets import TransferPreset
from .barbershop.regions import FACE, REGIONS, parse, region_index
from .barbershop.target_mask import MODES, check_mode, read_painted
from .barbershop.transfer import (
    SKIN_TONED,
    Assignment,
    Composite,
    Reference,
    composite,
    is_turned,
    make_target,
)
from .cache import CodeCache, cache_key
from .codes import Code, space_name
from .errors import BadRequest, NoFaceFound
from .inversion import embed
from .inversion.descent import to_uint8
from .inversion.presets import InversionPreset
from .networks.arcface import identity_embedding
from .photo import Portrait
from .progress import Step, Steps
from .result import Result
from .watch import Watch, memory_errors

FOREIGN = 21.0
"""dB: a person whose code is this far from the photo lies outside of what the pack has learnt."""


class Studio:
    """An open pack with its cache of codes.

    pack: of :func:`barbershop_core.open_pack`.  cache: where codes are kept; ``None`` is the platform's
    folder (:func:`.cache.default_folder`), ``False`` keeps nothing.
    """

    def __init__(self, pack, cache: CodeCache | Literal[False] | None = None):
        self.pack = pack
        self.cache = CodeCache() if cache is None else (cache if cache is not False else None)

    # ------------------------------------------------------------------------------ photos

    def read(self, source, face: int | None = None) -> Portrait:
        """A portrait from a path, bytes, a PIL image or uint8 array, aligned to the pack's size.

        face: which of several, from the largest (0); by default the largest that can be used.
        Raises errors.PhotoError and its kinds, each with what to do.
        """
        size = self.pack.working_size
        try:
            return photo.read(source, size, self.pack.landmarker, face)
        except NoFaceFound as error:
            # The landmark finder knows photographs.  A square that the pack's own parser sees a face in is
            # a portrait of its world.
            try:
                portrait = photo.read(source, size, self.pack.landmarker, face, trust_square=True)
            except NoFaceFound:
                raise error from None
            if not self._shows_a_face(portrait):
                raise error from None
            return portrait

    def parse(self, portrait: Portrait) -> np.ndarray:
        """The portrait's regions: uint8 [R,R], indices into ``barbershop.regions.REGIONS``."""
        return (
            self._labels(portrait.tensor(self.pack.working_size, self.pack.device))
            .to("cpu", torch.uint8)
            .numpy()
        )

    def render(self, code: Code) -> np.ndarray:
        """The image of a code, uint8 [R,R,3]."""
        with torch.no_grad():
            image = code.to(self.pack.device).synthesis(self.pack.generator, self.pack.working_size)
        return to_uint8(image)[0].numpy()

    # ------------------------------------------------------------------------------ inversion

    def invert(
        self, portrait: Portrait, space: str = "FS", preset: str | InversionPreset | TransferPreset = "fast"
    ) -> Steps[Code]:
        """The portrait's code.

        space: "W", "W+" or "FS".  preset: "fast", "paper", "released", or numbers of one's own.
        Raises BadRequest for unknown ones.
        """
        numbers = preset if isinstance(preset, InversionPreset) else transfer_preset(preset).inversion
        return self._invert_one(portrait, space_name(space), numbers)

    @memory_errors
    def _invert_one(self, portrait: Portrait, space: str, preset: InversionPreset) -> Steps[Code]:
        yield from self.pack.download()  # nothing to do where everything is here
        codes = yield from self._codes([portrait], space, preset)
        return codes[0]

    def _codes(self, portraits: list[Portrait], space: str, preset: InversionPreset) -> Steps[list[Code]]:
        """Codes from the cache, the missing ones embedded."""
        found: dict[str, Code] = {}
        stage = {"W": "embed W", "W+": "embed W+", "FS": "embed F/S"}[space]
        for portrait in portraits:
            if portrait.digest in found:
                continue
            key = cache_key(portrait.digest, self.pack.fingerprint, space, (preset, self.pack.working_size))
            code = self.cache.get(key, self.pack.device) if self.cache is not None else None
            if code is None:
                images = portrait.tensor(self.pack.working_size, self.pack.device)
                code = (yield from embed(self.pack, images, space, preset))[0]
                if self.cache is not None:
                    self.cache.put(key, code)
            else:
                yield Step(stage, 1, 1, notice="")
            found[portrait.digest] = code
        return [found[portrait.digest] for portrait in portraits]

    # ------------------------------------------------------------------------------ words

    def edit_text(
        self, portrait: Portrait, prompt: str, method: str = "directions", **options
    ) -> Steps[Result]:
        """Edit by words (StyleCLIP): see :func:`.styleclip.edit.edit_text` for options and errors."""
        from .styleclip import edit

        return edit.edit_text(self, portrait, prompt, method, **options)

    def direction_sliders(self, portrait: Portrait, previous: Result | None = None, **options) -> Steps[Any]:
        """Global directions under sliders: see :func:`.styleclip.edit.direction_sliders`."""
        from .styleclip import edit

        return edit.direction_sliders(self, portrait, previous, **options)

    # ------------------------------------------------------------------------------ rig

    def repose(self, portrait: Portrait, **options) -> Steps[Result]:
        """Turn the head, change expression or light (PIE): see :func:`.pie.edit.repose`."""
        from .pie import edit

        return edit.repose(self, portrait, **options)

    def rig(self, portrait: Portrait, preset="fast", previous: Result | None = None, **options) -> Steps[Any]:
        """The portrait embedded for the rig, under sliders: see :func:`.pie.edit.rig`."""
        from .pie import edit

        return edit.rig(self, portrait, preset, previous, **options)

    # ------------------------------------------------------------------------------ transfer

    def transfer(
        self,
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
        mode: "realistic" or "fidelity", see `barbershop.target_mask`.  smooth: 0..40, px at 256 px.
        seed: kept in the recipe.  Nothing here is drawn at random: the same photos, preset and device
            give the same picture.
        paste: also return the edit into the whole photo.
        previous: go on from this result (of the same ``face``) instead of from the photo.

        Raises BadRequest where an argument makes no sense.
        """
        numbers = transfer_preset(preset)
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
        if len(roles) == 1 and mask is None:
            raise BadRequest(
                "There is nothing to transfer.",
                "Give a photo for the hair's shape or colour, for a region, or a painted mask.",
            )
        _check(roles, mode, smooth, seed)
        if mask is not None:
            mask = read_painted(mask).numpy().astype(np.uint8)
        settings = {
            "mode": mode,
            "smooth": smooth,
            "regions": sorted(_expand(regions)),
            "mask": None if mask is None else hashlib.sha256(mask.tobytes()).hexdigest(),
        }
        chain.check(previous, self.pack)
        return self._run(
            "transfer", roles, structure, appearance, numbers, settings, mask, seed, paste, previous
        )

    def swap_face(
        self,
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

        Arguments and errors as in :meth:`transfer`.  The identity score compares with ``face``.
        """
        numbers = transfer_preset(preset)
        roles = {"face": into, "swapped": face}
        _check(roles, mode, smooth, seed)
        structure = {region: "swapped" for region in FACE}
        appearance = {region: "swapped" for region in FACE if region not in SKIN_TONED}
        chain.check(previous, self.pack)
        return self._run(
            "swap_face",
            roles,
            structure,
            appearance,
            numbers,
            {"mode": mode, "smooth": smooth},
            None,
            seed,
            paste,
            previous,
        )

    def target_mask(
        self,
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

        Arguments as in :meth:`transfer`; a hair colour changes nothing here.
        """
        numbers = transfer_preset(preset)
        roles = {"face": face, **{f"region {name}": portrait for name, portrait in _expand(regions).items()}}
        structure = {name: f"region {name}" for name in _expand(regions)}
        if hair_shape is not None:
            roles["hair_shape"], structure["hair"] = hair_shape, "hair_shape"
        _check(roles, mode, smooth, seed)
        chain.check(previous, self.pack)
        return self._run_mask(roles, structure, numbers, mode, smooth, previous)

    @memory_errors
    def _run_mask(self, roles, structure, preset, mode, smooth, previous) -> Steps[np.ndarray]:
        references, assignment = yield from self._references(
            roles, structure, {}, preset, previous, space="W+"
        )
        target, _ = yield from make_target(self.pack, references, assignment, preset, mode, smooth, None)
        return target.labels.to("cpu", torch.uint8).numpy()

    @memory_errors
    def _run(
        self, operation, roles, structure, appearance, preset, settings, mask, seed, paste, previous
    ) -> Steps[Result]:
        watch = Watch()
        references, assignment = yield from watch(
            self._references(roles, structure, appearance, preset, previous)
        )
        fidelity = self._reconstruction(references[0])
        notices = self._notices(structure, appearance, references, assignment, fidelity)
        for notice in notices:
            yield Step("parse", len(references), len(references), notice=notice)
        made = yield from watch(
            composite(self.pack, references, assignment, preset, settings["mode"], settings["smooth"], mask)
        )
        image = to_uint8(made.image)[0].numpy()
        changed = chain.with_earlier(made.changed.cpu().numpy().astype(np.float32), previous)
        pasted = None
        if paste:
            with watch.stage("paste back"):
                pasted = Image.fromarray(photo.paste_back(roles["face"], image, changed))
            yield Step("paste back", 1, 1, preview=lambda: image)
        with watch.stage("scores"):
            other = "swapped" if operation == "swap_face" else "face"
            compared = references[_place(roles, other, previous)]
            scores = self._scores(made, references[0], compared, assignment)
        scores |= {"reconstruction": round(fidelity, 2), "losses": watch.losses, "seconds": watch.seconds}
        labels = made.target.labels.to("cpu", torch.uint8).numpy()
        masks = {"target": labels, "changed": changed}
        masks |= {
            name: labels == region_index(name) for name in REGIONS if (labels == region_index(name)).any()
        }
        inputs = {role: portrait.digest for role, portrait in roles.items()}
        earlier = None if previous is None else previous.recipe
        written = recipe.make(operation, settings, inputs, self.pack, preset.name, seed, earlier)
        return Result(
            Image.fromarray(image),
            pasted,
            made.code.to("cpu"),
            masks,
            scores,
            written,
            (*roles["face"].notices, *notices),
        )

    def _references(
        self, roles, structure, appearance, preset: TransferPreset, previous: Result | None,
        space: str = "FS",
    ) -> Steps[tuple[list[Reference], Assignment]]:
        """Parse and embed each different photo once; the person is number 0, as ``previous`` left it."""
        yield from self.pack.download()  # with progress, instead of silently at first use
        places = {role: _place(roles, role, previous) for role in roles}
        portraits: dict[int, Portrait] = {}
        for role, place in places.items():
            portraits.setdefault(place, roles[role])
        assignment = Assignment(
            {region: places[role] for region, role in structure.items()},
            {region: places[role] for region, role in appearance.items()},
        )
        images = [
            portraits[k].tensor(self.pack.working_size, self.pack.device) for k in range(len(portraits))
        ]
        if previous is not None:
            images[0] = chain.picture(previous, self.pack)
        labels = []
        for k, image in enumerate(images):
            labels.append(self._labels(image))
            yield Step("parse", k + 1, len(images))
        # F is of use for the person and for shapes that stay as they are; else W+ will do, which is quicker.
        detailed = {0} | {
            k for k in assignment.structure.values() if not is_turned(labels[k], labels[0], preset)
        }
        codes: dict[int, Code] = {}
        if previous is not None:
            codes[0] = yield from chain.plain_code(self.pack, previous, preset.inversion)
            detailed.discard(0)
        plain = sorted({*portraits} - detailed - {*codes})
        for group, its_space in ((sorted(detailed), space), (plain, "W+")):
            found = yield from self._codes([portraits[k] for k in group], its_space, preset.inversion)
            codes |= dict(zip(group, found))
        return [Reference(images[k], labels[k], codes[k]) for k in range(len(images))], assignment

    @torch.no_grad()
    def _reconstruction(self, reference: Reference) -> float:
        """PSNR in dB of a code's image against the photo."""
        rebuilt = reference.code.synthesis(self.pack.generator, self.pack.working_size).clamp(-1, 1)
        return -10 * float(torch.log10((rebuilt - reference.image).square().mean() / 4 + 1e-10))

    def _notices(
        self, structure, appearance, references, assignment: Assignment, fidelity: float
    ) -> list[str]:
        notices = []
        if fidelity < FOREIGN:
            notices.append(
                f"This photo lies outside of what the pack '{self.pack.name}' has learnt, so changed parts "
                "will look less like it; the rest keeps the photo's own pixels."
            )
        for region, k in {**assignment.structure, **assignment.appearance}.items():
            if k and not bool((references[k].labels == region_index(region)).any()):
                role = structure.get(region) or appearance.get(region)
                notices.append(f"The photo given for {role.replace('_', ' ')} shows no {region}.")
        return notices

    @torch.no_grad()
    def _scores(
        self, made: Composite, person: Reference, compared: Reference, assignment: Assignment
    ) -> dict[str, Any]:
        net = self.pack.identity
        a, b = (identity_embedding(net, image) for image in (compared.image, made.image))
        found, wanted = self._labels(made.image), made.target.labels
        iou = {}
        for name in dict.fromkeys([*assignment.structure, *assignment.appearance, "skin", "hair"]):
            ours, theirs = found == region_index(name), wanted == region_index(name)
            union = float((ours | theirs).sum())
            if union:
                iou[name] = round(float((ours & theirs).sum()) / union, 4)
        return {"identity": round(float((a * b).sum()), 4), "iou": iou}

    def _labels(self, image: torch.Tensor) -> torch.Tensor:
        return parse(self.pack.parser, image)[0]

    def _shows_a_face(self, portrait: Portrait) -> bool:
        labels = self.parse(portrait)
        share = {name: float((labels == region_index(name)).mean()) for name in ("skin", "nose", "mouth")}
        return share["skin"] > 0.06 and share["nose"] > 0.003 and share["mouth"] > 0.002


def transfer_preset(preset: str | TransferPreset) -> TransferPreset:
    """A preset by name, or itself.  Raises BadRequest for unknown names."""
    if isinstance(preset, TransferPreset):
        return preset
    found = presets.PRESETS.get(str(preset).strip().lower())
    if found is None:
        raise BadRequest(f"There is no preset '{preset}'.", f"Choose one of: {', '.join(presets.PRESETS)}.")
    return found


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


def _check(roles: Mapping[str, Any], mode: str, smooth: int, seed: int) -> None:
    for role, portrait in roles.items():
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


def _place(roles: Mapping[str, Portrait], role: str, previous: Result | None) -> int:
    """Number of a role's photo among the different photos, the person's first.

    An edited person is another picture than their photo."""
    digests = {name: portrait.digest for name, portrait in roles.items()}
    if previous is not None:
        digests[next(iter(roles))] = "previous"
    return list(dict.fromkeys(digests.values())).index(digests[role])


__all__ = ["MODES", "Studio", "transfer_preset"]
