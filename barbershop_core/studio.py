"""The facade: everything that can be done with an open pack.

What takes long is a generator of steps (:mod:`.progress`) that returns its result; arguments are
checked when it is called, so a mistake in them is heard before any work.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import torch

from . import photo
from .barbershop import transfer as edit
from .barbershop.transfer_presets import TransferPreset, transfer_preset
from .editing.regions import parse, region_index
from .editing.result import Result
from .errors import NoFaceFound
from .inversion import embed
from .inversion.cache import CodeCache, cache_key
from .inversion.codes import Code, space_name
from .inversion.inversion_presets import InversionPreset
from .photo import Portrait
from .photo.pixels import to_uint8
from .progress import Step, Steps
from .stages import memory_errors


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
            if not self.shows_a_face(portrait):
                raise error from None
            return portrait

    def parse(self, portrait: Portrait) -> np.ndarray:
        """The portrait's regions: uint8 [R,R], indices into ``barbershop.regions.REGIONS``."""
        image = portrait.tensor(self.pack.working_size, self.pack.device)
        return parse(self.pack.parser, image)[0].to("cpu", torch.uint8).numpy()

    def shows_a_face(self, portrait: Portrait) -> bool:
        """Whether the pack's parser finds skin, nose and mouth in it."""
        labels = self.parse(portrait)
        share = {name: float((labels == region_index(name)).mean()) for name in ("skin", "nose", "mouth")}
        return share["skin"] > 0.06 and share["nose"] > 0.003 and share["mouth"] > 0.002

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
        codes = yield from self.codes([portrait], space, preset)
        return codes[0]

    def codes(self, portraits: list[Portrait], space: str, preset: InversionPreset) -> Steps[list[Code]]:
        """Codes from the cache, the missing ones embedded.  space: "W", "W+" or "FS"."""
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

    # ------------------------------------------------------------------------------ hair and face

    def transfer(
        self,
        face: Portrait,
        hair_shape: Portrait | None = None,
        hair_color: Portrait | None = None,
        regions: Mapping[str, Portrait] | None = None,
        **options,
    ) -> Steps[Result]:
        """The person of ``face`` with hair or other regions of other photos (Barbershop): see
        :func:`.barbershop.edit.transfer` for options and errors."""
        return edit.transfer(self, face, hair_shape, hair_color, regions, **options)

    def swap_face(self, face: Portrait, into: Portrait, **options) -> Steps[Result]:
        """The face of ``face`` in the photo ``into``: see :func:`.barbershop.edit.swap_face`."""
        return edit.swap_face(self, face, into, **options)

    def target_mask(
        self,
        face: Portrait,
        hair_shape: Portrait | None = None,
        hair_color: Portrait | None = None,
        regions: Mapping[str, Portrait] | None = None,
        **options,
    ) -> Steps[np.ndarray]:
        """Only a transfer's automatic target mask, to repaint: see :func:`.barbershop.edit.target_mask`."""
        return edit.target_mask(self, face, hair_shape, hair_color, regions, **options)

    # ------------------------------------------------------------------------------ words

    def edit_text(
        self, portrait: Portrait, prompt: str, method: str = "directions", **options
    ) -> Steps[Result]:
        """Edit by words (StyleCLIP): see :func:`.styleclip.edit.edit_text` for options and errors."""
        from .styleclip import edit_text as by_words

        return by_words.edit_text(self, portrait, prompt, method, **options)

    def direction_sliders(self, portrait: Portrait, previous: Result | None = None, **options) -> Steps[Any]:
        """Global directions under sliders: see :func:`.styleclip.edit.direction_sliders`."""
        from .styleclip import edit_text as by_words

        return by_words.direction_sliders(self, portrait, previous, **options)

    # ------------------------------------------------------------------------------ rig

    def repose(self, portrait: Portrait, **options) -> Steps[Result]:
        """Turn the head, change expression or light (PIE): see :func:`.pie.edit.repose`."""
        from .pie import repose as by_rig

        return by_rig.repose(self, portrait, **options)

    def rig(self, portrait: Portrait, preset="fast", previous: Result | None = None, **options) -> Steps[Any]:
        """The portrait embedded for the rig, under sliders: see :func:`.pie.edit.rig`."""
        from .pie import repose as by_rig

        return by_rig.rig(self, portrait, preset, previous, **options)
