"""Codes of portraits, from the cache where they are known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..photo import Portrait
from ..progress import Step, Steps, of_photo
from ..protocols import PackLike
from .cache import CodeCache, cache_key
from .codes import Code, space_name
from .embed import embed
from .inversion_presets import InversionPreset, inversion_preset

if TYPE_CHECKING:
    from ..editing.request import Request


def invert(pack: PackLike, cache: CodeCache | None, request: Request) -> Steps[Code]:
    """The operation invert: the code of the photo "face".

    Options: see :data:`.options.INVERT`.  Raises BadRequest for an unknown space or preset.
    """
    space, preset = space_name(request.options["space"]), inversion_preset(request.options["preset"])
    return _invert(pack, cache, request.portrait, space, preset)


def _invert(
    pack: PackLike, cache: CodeCache | None, portrait: Portrait, space: str, preset: InversionPreset
) -> Steps[Code]:
    yield from pack.download()
    return (yield from codes_of(pack, cache, [portrait], space, preset))[0]


def codes_of(
    pack: PackLike,
    cache: CodeCache | None,
    portraits: Sequence[Portrait],
    space: str,
    preset: InversionPreset,
    before: int = 0,
    count: int | None = None,
) -> Steps[list[Code]]:
    """The code of each portrait; what the cache does not hold is embedded.

    Codes that were found with an encoder and without one are different entries of the cache.
    space: "W", "W+" or "FS".  cache: None keeps nothing.
    before, count: for the progress, how many photos came before these, and how many there are in all.
    """
    found: dict[str, Code] = {}
    preset = preset.on(pack)
    stage = {"W": "embed W", "W+": "embed W+", "FS": "embed F/S"}[space]
    for number, portrait in enumerate(portraits, before + 1):
        if portrait.digest in found:
            continue
        photo = (number, count or len(portraits))
        key = cache_key(portrait.digest, pack.fingerprint, space, (preset, pack.working_size))
        code = None if cache is None else cache.get(key, pack.device)
        if code is None:
            images = portrait.tensor(pack.working_size, pack.device)
            code = (yield from of_photo(embed(pack, images, space, preset), *photo))[0]
            if cache is not None:
                cache.put(key, code)
        else:
            yield Step(stage, 1, 1, photo=photo)
        found[portrait.digest] = code
    return [found[portrait.digest] for portrait in portraits]
