"""The facade: everything that can be done with an open pack.

What takes long is a generator of steps (:mod:`.progress`) that returns its result; its arguments are checked
when it is called.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from . import photo
from .barbershop import options as hair
from .editing.reading import regions_of, shows_a_face
from .editing.result import Result
from .errors import NoFaceFound
from .inversion import options as inversion
from .inversion.cache import CodeCache
from .inversion.codes import Code
from .operations import operation_named
from .options import PRESET, SEED
from .photo import Nudge, Portrait
from .photo.pixels import to_uint8
from .pie import options as rig
from .progress import Steps
from .protocols import PackLike
from .styleclip import options as words

if TYPE_CHECKING:
    from .pie.session import RigSession
    from .styleclip.sliders import Sliders


class Studio:
    """An open pack with its cache of codes.

    pack: of :func:`barbershop_core.open_pack`.  cache: where codes are kept; None is the platform's folder
    (:func:`.inversion.cache.default_folder`), False keeps nothing.
    """

    def __init__(self, pack: PackLike, cache: CodeCache | Literal[False] | None = None):
        self.pack = pack
        self.cache = CodeCache() if cache is None else None if cache is False else cache

    def start(
        self,
        operation: str,
        photos: Mapping[str, Portrait | None],
        options: Mapping[str, Any],
        previous: Result | None = None,
        paste: bool = True,
    ) -> Steps[Any]:
        """Steps of an operation of :data:`.operations.OPERATIONS`.  Raises BadRequest."""
        return operation_named(operation).start(self.pack, self.cache, photos, options, previous, paste)

    # ------------------------------------------------------------------------------ photos

    def read(self, source, face: int | None = None, nudge: Nudge | Mapping[str, float] | None = None) -> Portrait:
        """A portrait from a path, bytes, a PIL image or uint8 array, aligned to the pack's size.

        face: which of several, from the largest (0); by default the largest that can be used.
        nudge: moves, turns and zooms the crop: a `photo.Nudge`, or its numbers by name, such as {"zoom": 1.1}.
        Raises errors.PhotoError and its kinds, each with a remedy; BadRequest for a nudge out of range.
        """
        size, landmarker, nudge = self.pack.working_size, self.pack.landmarker, Nudge.of(nudge)
        try:
            return photo.read(source, size, landmarker, face, nudge=nudge)
        except NoFaceFound as error:
            # The landmarker was trained on photographs.  A square in which the pack's own parser finds a face
            # is a rendered portrait.
            try:
                portrait = photo.read(source, size, landmarker, face, trust_square=True, nudge=nudge)
            except NoFaceFound:
                raise error from None
            if not shows_a_face(self.pack, portrait):
                raise error from None
            return portrait

    def parse(self, portrait: Portrait) -> np.ndarray:
        """The portrait's regions: uint8 [R,R], indices into ``editing.regions.REGIONS``."""
        return regions_of(self.pack, portrait)

    # ------------------------------------------------------------------------------ inversion

    def invert(
        self, portrait: Portrait, space: str = inversion.SPACE.default, preset: Any = PRESET.default
    ) -> Steps[Code]:
        """The portrait's code.

        space: "W", "W+" or "FS".  preset: "fast", "paper", "released", or an InversionPreset.
        """
        return self.start("invert", {"face": portrait}, {"space": space, "preset": preset})

    def render(self, code: Code) -> np.ndarray:
        """The image of a code, uint8 [R,R,3]."""
        with torch.no_grad():
            image = code.to(self.pack.device).synthesis(self.pack.generator, self.pack.working_size)
        return to_uint8(image)[0].numpy()

    # ------------------------------------------------------------------------------ hair and face

    def transfer(
        self,
        face: Portrait,
        hair_shape: Portrait | None = None,
        hair_color: Portrait | None = None,
        regions: Mapping[str, Portrait] | None = None,
        mask: np.ndarray | None = None,
        mode: str = hair.MODE.default,
        smooth: float = hair.SMOOTH.default,
        preset: Any = PRESET.default,
        seed: int = SEED.default,
        paste: bool = True,
        previous: Result | None = None,
        hair_structure: Portrait | None = None,
    ) -> Steps[Result]:
        """The person of ``face`` with hair or other regions of other photos (Barbershop).

        hair_shape, hair_color: either may be absent; then the hair keeps the person's own.
        hair_structure: whose strands and curl the hair has (section 3.7); absent: those of the shape's photo.
        regions: region -> portrait, any number of sources; shape and colour both (of skin-coloured parts the
            shape only).  "face" stands for all parts of a face.
        mask: a painted target mask, uint8 [H,W] region indices or [H,W,3] region colours, used instead of the
            automatic one.
        mode: "realistic" or "fidelity", see :mod:`.barbershop.target_mask`.  smooth: 0..40, px at 256 px.
        preset: "fast", "paper", "released", or a TransferPreset.  seed: kept in the recipe.
        paste: also return the whole photo.  previous: start from this result of the same ``face``.

        Raises BadRequest where an argument makes no sense.
        """
        photos, roles = _region_photos(regions)
        photos |= {"face": face, "hair_shape": hair_shape, "hair_color": hair_color, "hair_structure": hair_structure}
        options = {"regions": roles, "mask": mask, "mode": mode, "smooth": smooth}
        return self.start("transfer", photos, options | {"preset": preset, "seed": seed}, previous, paste)

    def swap_face(
        self, face: Portrait, into: Portrait, previous: Result | None = None, paste: bool = True, **options: Any
    ) -> Steps[Result]:
        """The face of ``face`` in the photo ``into``, whose hair, pose, light and skin tone stay.

        options: mode, smooth, preset, seed as of :meth:`transfer`.
        """
        return self.start("swap_face", {"face": face, "into": into}, options, previous, paste)

    def target_mask(
        self,
        face: Portrait,
        hair_shape: Portrait | None = None,
        hair_color: Portrait | None = None,
        regions: Mapping[str, Portrait] | None = None,
        previous: Result | None = None,
        hair_structure: Portrait | None = None,
        **options: Any,
    ) -> Steps[np.ndarray]:
        """Only a transfer's automatic target mask, uint8 [R,R] region indices, to repaint.

        options: mode, smooth, preset, seed as of :meth:`transfer`.
        """
        photos, roles = _region_photos(regions)
        photos |= {"face": face, "hair_shape": hair_shape, "hair_color": hair_color, "hair_structure": hair_structure}
        return self.start("target_mask", photos, {**options, "regions": roles}, previous)

    # ------------------------------------------------------------------------------ words

    def edit_text(
        self,
        portrait: Portrait,
        prompt: str = words.PROMPT.default,
        method: str = words.METHOD.default,
        previous: Result | None = None,
        paste: bool = True,
        **options: Any,
    ) -> Steps[Result]:
        """Edit by words (StyleCLIP).

        prompt: what the portrait should show ("curly hair"); for "mapper" the name of a mapper or its file.
        method: "directions" (at once), "optimize" (seconds to minutes) or "mapper" (at once).
        options: neutral, alpha, beta, strength, levels, identity, route, edits, preset, seed, where, see
            :mod:`.styleclip.options`.

        Raises BadRequest for empty prompts, unknown methods and mappers, numbers out of range.
        """
        options |= {"prompt": prompt, "method": method}
        return self.start("edit_text", {"face": portrait}, options, previous, paste)

    def direction_sliders(self, portrait: Portrait, previous: Result | None = None, **options: Any) -> Steps[Sliders]:
        """Global directions with sliders.  options: route, preset, seed, where."""
        return self.start("direction_sliders", {"face": portrait}, options, previous)

    # ------------------------------------------------------------------------------ rig

    def repose(
        self,
        portrait: Portrait,
        yaw: float = rig.YAW.default,
        pitch: float = rig.PITCH.default,
        roll: float = rig.ROLL.default,
        like: Portrait | None = None,
        previous: Result | None = None,
        paste: bool = True,
        **options: Any,
    ) -> Steps[Result]:
        """Turn the head, change expression or light (PIE).

        yaw, pitch, roll: degrees to turn by: to the picture's right, up, clockwise.
        like: another portrait to copy pose, expression or light from.
        options: expression (a name with ``strength``, or amounts by the face model's controls), strength,
            light (azimuth, elevation, strength, warmth), copy, method, preset, seed, see :mod:`.pie.options`.

        Raises BadRequest where an argument makes no sense, errors.FaceModelMissing where the pack has no 3D
        face, NoFaceFound where ``like`` shows none.
        """
        options |= {"yaw": yaw, "pitch": pitch, "roll": roll}
        return self.start("repose", {"face": portrait, "like": like}, options, previous, paste)

    def rig(
        self, portrait: Portrait, preset: Any = PRESET.default, previous: Result | None = None, seed: int = SEED.default
    ) -> Steps[RigSession]:
        """Embed a portrait for the rig, once for any number of edits."""
        return self.start("rig", {"face": portrait}, {"preset": preset, "seed": seed}, previous)


def _region_photos(regions: Mapping[str, Portrait] | None) -> tuple[dict[str, Portrait | None], dict[str, str] | None]:
    """Photos by role and the role of each region."""
    if not regions:
        return {}, None
    roles = {name: f"region {name.strip().lower()}" for name in regions}
    return {roles[name]: portrait for name, portrait in regions.items()}, roles
