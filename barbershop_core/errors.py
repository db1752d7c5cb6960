"""Errors that are shown to the user, each with a remedy.

The text of a :class:`BarbershopError` is one or two sentences: what happened, then what to do about it.
The page, the command line and the API show it unchanged.
"""

from __future__ import annotations

import errno
import re


class BarbershopError(Exception):
    """Base of all errors that are shown to the user.  what, remedy: the two sentences."""

    remedy = ""

    def __init__(self, what: str, remedy: str | None = None):
        self.what = _short(what.strip())
        self.remedy = (self.remedy if remedy is None else remedy).strip()
        super().__init__(f"{self.what} {self.remedy}".strip())

    def __reduce__(self):
        return type(self), (self.what, self.remedy)  # not the joined text, as of other exceptions


def _short(words: str) -> str:
    """A sentence in which what somebody wrote, between quotes, has a bearable length."""
    words = re.sub(r"'([^']{40})[^']{40,}'", r"'\1...'", words)
    return words if len(words) < 1200 else f"{words[:600]} ... {words[-60:]}"


class PhotoError(BarbershopError):
    """The photo cannot be used."""


class CorruptPhoto(PhotoError):
    """The file is not a picture that can be decoded, or is damaged."""

    remedy = "Export it again as JPEG or PNG and upload that."


class UnsupportedFormat(PhotoError):
    """The file is of an unsupported kind (SVG, PDF, video, text, ...)."""

    remedy = "Use a JPEG, PNG, WebP, TIFF, BMP, GIF or HEIC photo."


class PhotoTooLarge(PhotoError):
    """The photo has too many bytes or pixels; it is refused before decoding."""

    remedy = "Scale the photo down and upload it again."


class PhotoTooSmall(PhotoError):
    """The photo, or the face in it, has too few pixels."""

    remedy = "Use a larger photo."


class NoFaceFound(PhotoError):
    """No face was found in the photo."""

    remedy = "Use a photo with one clearly visible, upright face looking towards the camera."


class FaceTurnedAway(PhotoError):
    """The face is turned too far for its landmarks to be reliable."""

    remedy = "Use a photo in which both eyes are visible."


class FaceIndexError(PhotoError):
    """The requested face index does not exist in this photo."""


class WeightError(BarbershopError):
    """A network's weights cannot be used."""


class WeightMissing(WeightError):
    """A weight file is not on this machine and cannot be downloaded."""


class FaceModelMissing(WeightError):
    """The pack has no 3D face model, or no regressor that reads its parameters from a picture."""

    remedy = "Fetch it with 'python -m barbershop_core download --pack {pack} --all', or use the pack 'studio'."


class WeightCorrupt(WeightError):
    """A weight file has the wrong size, checksum or layout."""


class UnsafePickle(WeightError):
    """A pickle needs code that is not on the allowed list; nothing was executed."""

    remedy = "Use the weights from the address in the manifest."


class PackError(BarbershopError):
    """A pack's manifest is missing or invalid."""


class BadRequest(BarbershopError):
    """An argument is invalid: an unknown region, preset or space, a value out of range."""


class DiskFull(BarbershopError):
    """Nothing more can be written."""

    remedy = "Free some space and try again."


def explained(error: BaseException) -> BarbershopError | None:
    """An error of the operating system whose remedy is known, as one of these; None for others."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull("The disk is full.")
    return None


class OutOfMemory(BarbershopError):
    """The device ran out of memory."""

    remedy = "Close other programs, use the 'fast' preset or a smaller pack, or another device."


class WorkerDied(BarbershopError):
    """A process or actor was killed, or ran out of memory, each time it worked on an item."""

    remedy = "Memory may have run out: use fewer workers, or smaller photos."


class PackageMissing(BarbershopError):
    """An optional Python package is not installed."""
