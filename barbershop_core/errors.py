"""What can go wrong, each with what to do about it.

Every exception that a visitor may meet derives from :class:`BarbershopError`.  Its text is one
or two sentences for a person (what happened, then the remedy), shown unchanged by the page, the
command line and the API; nothing else is ever shown to them.
"""

from __future__ import annotations


class BarbershopError(Exception):
    """Base of every error that is shown to a person as it stands."""

    remedy = ""

    def __init__(self, what: str, remedy: str | None = None):
        self.what = what.strip()
        self.remedy = (self.remedy if remedy is None else remedy).strip()
        super().__init__(f"{self.what} {self.remedy}".strip())


class PhotoError(BarbershopError):
    """The photo cannot be used."""


class CorruptPhoto(PhotoError):
    """The bytes are no picture that can be decoded, or are cut off."""

    remedy = "Export it again as JPEG or PNG and upload that."


class UnsupportedFormat(PhotoError):
    """A file of a kind that is not read (SVG, PDF, video, text, ...)."""

    remedy = "Use a JPEG, PNG, WebP, TIFF, BMP, GIF or HEIC photo."


class PhotoTooLarge(PhotoError):
    """Too many bytes or pixels; refused before decoding."""

    remedy = "Scale the photo down and upload it again."


class PhotoTooSmall(PhotoError):
    """The photo, or the face in it, has too few pixels."""

    remedy = "Use a larger photo."


class NoFaceFound(PhotoError):
    """No face was found in the photo."""

    remedy = "Use a photo with one clearly visible, upright face looking towards the camera."


class FaceTurnedAway(PhotoError):
    """A side view: landmarks of one half of the face are guesses."""

    remedy = "Use a photo in which both eyes are visible."


class FaceIndexError(PhotoError):
    """The asked face index does not exist in this photo."""


class WeightError(BarbershopError):
    """A network's weights cannot be used."""


class WeightMissing(WeightError):
    """A weight file is neither cached nor downloadable."""


class FaceModelMissing(WeightError):
    """A pack has no 3D face model, or nothing that reads one from a picture."""

    remedy = (
        "Fetch it with 'python -m barbershop_core download --pack {pack} --all', or use the pack 'studio'."
    )


class WeightCorrupt(WeightError):
    """A weight file has the wrong size, checksum or layout."""


class UnsafePickle(WeightError):
    """A pickle asks for code outside of the allowed list; nothing was executed."""

    remedy = "Use the weights from the address in the manifest."


class PackError(BarbershopError):
    """A pack's manifest is missing or not valid."""


class BadRequest(BarbershopError):
    """An argument makes no sense: unknown region, preset, space; value out of range."""


class OutOfMemory(BarbershopError):
    """The device ran out of memory."""

    remedy = "Close other programs, use the 'fast' preset or a smaller pack, or another device."
