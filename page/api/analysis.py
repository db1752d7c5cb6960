"""The endpoints that tell what a photo is to the networks: aligned, in regions, as a code."""

from __future__ import annotations

from typing import Literal

from barbershop_core.inversion.options import SPACE
from barbershop_core.options import PRESET

from .. import gpu
from . import readings
from .answers import Answer, Preset, answer, explained, photo
from .controls import Nudge, Photo


@explained
def align(
    face: Photo, size: float | None = readings.SIZE.default, face_index: float = -1, nudge: Nudge | None = None
) -> tuple[str, dict]:
    """Find the faces of a photo and cut one out as the networks see it, aligned by eyes and mouth.

    Args:
        face: photo of the person.
        size: side of the aligned portrait in pixels, 64 to 1024; leave out for the pack's own.
        face_index: which face of several, 0 for the largest; -1 takes the largest that can be used.
        nudge: moves the crop of `face`: x and y in sides of the crop, turn in degrees, zoom; leave out to keep it.

    Returns:
        the aligned portrait as PNG
        JSON: size, corners in the photo (from the upper left, downwards first), boxes of all faces, index, notices
    """
    return answer(readings.align, gpu.Task("read", {"face": photo(face, face_index, nudge)}, {"size": size}))


@explained
def parse(face: Photo, face_index: float = -1, nudge: Nudge | None = None) -> Answer:
    """Divide a portrait into regions: hair, skin, eyes, nose and the others.

    Args:
        face: photo of the person.
        face_index: which face of several, 0 for the largest; -1 takes the largest that can be used.
        nudge: moves the crop of `face`: x and y in sides of the crop, turn in degrees, zoom; leave out to keep it.

    Returns:
        the regions' numbers as a grey PNG, which `transfer_hair` takes as `mask`
        their colours as PNG, which it takes as well
        JSON: the share of each region, the colours, notices
    """
    return answer(readings.parse, gpu.Task("parse", {"face": photo(face, face_index, nudge)}))


@explained
def embed(
    face: Photo,
    space: Literal["W", "W+", "FS"] = SPACE.default,
    preset: Preset = PRESET.default,
    face_index: float = -1,
    nudge: Nudge | None = None,
) -> Answer:
    """Find the latent code of a portrait, from which the generator draws it again.

    Args:
        face: photo of the person.
        space: W, W+, or FS, which adds the feature map F of 32 x 32 and comes closest.
        preset: fast, released or paper.
        face_index: which face of several, 0 for the largest; -1 takes the largest that can be used.
        nudge: moves the crop of `face`: x and y in sides of the crop, turn in degrees, zoom; leave out to keep it.

    Returns:
        the code as safetensors
        what the generator draws of it, as PNG
        JSON: space, shapes, PSNR in dB beside the aligned photo, notices
    """
    task = gpu.Task("invert", {"face": photo(face, face_index, nudge)}, {"space": space, "preset": preset})
    return answer(readings.embed, task)
