"""Decodes uploaded files to upright sRGB pixels, uint8 [H,W,3].

Order of the checks: number of bytes, kind of file, number of pixels (from the header), and only then
decoding.  Every failure is raised as a PhotoError of :mod:`barbershop_core.errors`.
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageOps, UnidentifiedImageError

from ..errors import CorruptPhoto, PhotoError, PhotoTooLarge, PhotoTooSmall, UnsupportedFormat

MAX_BYTES = 40_000_000
MAX_PIXELS = 60_000_000
MIN_SIDE = 24
NEUTRAL = 190  # grey behind transparent pixels, similar to the studio backdrops of FFHQ

# Pillow's other readers include Ghostscript (EPS) and rarely used parsers.
FORMATS = ["JPEG", "MPO", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "HEIF", "JPEG2000"]

Source = str | os.PathLike | bytes | bytearray | memoryview | Image.Image | np.ndarray


def decode(source: Source, max_bytes: int = MAX_BYTES, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Upright sRGB pixels of a photo, uint8 [H,W,3], contiguous.

    source: path, the file's bytes, PIL image, or uint8 array [H,W], [H,W,3] or [H,W,4].  Animations
        give their first frame; transparent pixels are put on neutral grey; colours are converted from
        an embedded ICC profile to sRGB; the EXIF orientation is applied.
    Raises PhotoTooLarge, PhotoTooSmall, UnsupportedFormat or CorruptPhoto.
    """
    if isinstance(source, np.ndarray):
        source = _from_array(source)
    if isinstance(source, Image.Image):
        return _guarded(lambda: _checked_pixels(source, max_pixels), b"", max_pixels)
    data = bytes(source) if isinstance(source, (bytes, bytearray, memoryview)) else _read(source, max_bytes)
    if len(data) > max_bytes:
        raise _too_many_bytes(len(data), max_bytes)
    if not data:
        raise CorruptPhoto("The file is empty.")
    _register_heif()

    def opened() -> np.ndarray:
        with Image.open(io.BytesIO(data), formats=_known_formats()) as image:
            return _checked_pixels(image, max_pixels)

    return _guarded(opened, data, max_pixels)


def _guarded(work: Callable[[], np.ndarray], data: bytes, max_pixels: int) -> np.ndarray:
    """Run Pillow; whatever it raises becomes a PhotoError."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about broken EXIF and large pictures, handled here
        try:
            return work()
        except Image.DecompressionBombError as bad:
            raise PhotoTooLarge(f"The picture has more than {max_pixels / 1e6:.0f} million pixels.") from bad
        except UnidentifiedImageError as bad:
            raise _unknown_kind(data) from bad
        except MemoryError as bad:
            raise PhotoTooLarge("The picture does not fit into memory.") from bad
        except PhotoError:
            raise
        except Exception as bad:  # on damaged files Pillow's readers raise almost anything
            raise CorruptPhoto("The picture is damaged or incomplete.") from bad


def _too_many_bytes(count: int, most: int) -> PhotoTooLarge:
    return PhotoTooLarge(f"The file has {count / 1e6:.0f} MB; the limit is {most / 1e6:.0f} MB.")


def _read(path: str | os.PathLike, max_bytes: int) -> bytes:
    path = Path(path)
    try:
        if not path.is_file():  # also refuses pipes and devices, which never end
            raise CorruptPhoto(f"There is no photo at {path.name or path}.", "Check the path.")
        if path.stat().st_size > max_bytes:
            raise _too_many_bytes(path.stat().st_size, max_bytes)
        return path.read_bytes()
    except (OSError, ValueError) as bad:
        raise CorruptPhoto("The file cannot be opened.", "Check the path and its permissions.") from bad


def _from_array(array: np.ndarray) -> Image.Image:
    shaped = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (1, 3, 4))
    if array.dtype != np.uint8 or not shaped or 0 in array.shape:
        raise UnsupportedFormat(
            f"An array {array.dtype} {list(array.shape)} is not a picture.", "Give uint8 [height, width, 3]."
        )
    return Image.fromarray(np.ascontiguousarray(array[..., 0] if array.shape[2:] == (1,) else array))


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise PhotoTooLarge(f"The picture has {width} x {height} pixels; the limit is {max_pixels / 1e6:.0f} million.")
    if min(width, height) < MIN_SIDE:
        raise PhotoTooSmall(f"The picture has only {width} x {height} pixels.")


def _known_formats() -> list[str]:
    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]


def _register_heif() -> None:
    """Let Pillow read HEIC; can be called repeatedly."""
    try:
        import pillow_heif
    except Exception:  # noqa: BLE001 - its library does not load on every machine; other photos are read without it
        return
    pillow_heif.register_heif_opener()


def _unknown_kind(data: bytes) -> Exception:
    """The error for a file that Pillow does not recognise; its kind is guessed from the first bytes."""
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n")
    brand = data[8:12]
    if data[4:8] == b"ftyp" and brand in (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"):
        return UnsupportedFormat(
            "HEIC photos cannot be read on this machine (pillow-heif does not load).", "Export the photo as JPEG."
        )
    if data[4:8] == b"ftyp" and brand in (b"avif", b"avis"):
        return UnsupportedFormat(
            "AVIF photos cannot be read by the Pillow on this machine.", "Export the photo as JPEG."
        )
    kinds = (
        (data[4:8] == b"ftyp" or head[:4] == b"\x1aE\xdf\xa3" or data[8:12] == b"AVI ", "a video"),
        (head[:5] == b"%PDF-", "a PDF document"),
        (head[:4] == b"8BPS", "a Photoshop file"),
        (head[:2] in (b"%!", b"\xc5\xd0"), "a PostScript file"),
        (head[:4] == b"PK\x03\x04", "a ZIP archive"),
        (b"<svg" in head.lower(), "an SVG drawing"),
        (head[:1] == b"<", "a web page or XML file"),
    )
    for hit, name in kinds:
        if hit:
            return UnsupportedFormat(f"The file is {name}, not a photo.")
    if _looks_like_text(data[:4096]):
        return UnsupportedFormat("The file holds text, not a photo.")
    return CorruptPhoto("The file is not a picture that can be read, or its beginning is damaged.")


def _looks_like_text(data: bytes) -> bool:
    printable = sum(32 <= byte < 127 or byte in (9, 10, 13) for byte in data)
    return printable > 0.95 * len(data)


# ------------------------------------------------------------------------------ pixels


def _checked_pixels(image: Image.Image, max_pixels: int) -> np.ndarray:
    _check_size(image.size, max_pixels)
    if getattr(image, "n_frames", 1) > 1:
        image.seek(0)
    image.load()  # a truncated file raises OSError here
    orientation = _orientation(image)
    profile = image.info.get("icc_profile")
    alpha = _alpha(image)
    rgb = _to_srgb(_eight_bit(image), profile)
    if alpha is not None:
        rgb = Image.composite(rgb, Image.new("RGB", rgb.size, (NEUTRAL,) * 3), alpha)
    rgb.info = {}  # without the other EXIF tags, which may be damaged
    rgb.getexif()[ExifTags.Base.Orientation] = orientation
    ImageOps.exif_transpose(rgb, in_place=True)
    return np.array(rgb, dtype=np.uint8, order="C")


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 (upright) if there is none."""
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # noqa: BLE001 - broken EXIF raises anything; the picture itself is fine
        return 1


def _alpha(image: Image.Image) -> Image.Image | None:
    """Opacity as mode L, or None if the picture is opaque."""
    if image.mode in ("RGBA", "LA", "PA"):
        return image.getchannel("A")
    if image.mode in ("La", "RGBa"):
        return image.convert(image.mode[:-1] + "A").getchannel("A")
    if "transparency" in image.info and image.mode in ("P", "L", "RGB", "1"):
        return image.convert("RGBA").getchannel("A")
    return None


def _eight_bit(image: Image.Image) -> Image.Image:
    """The picture in mode L, RGB, CMYK or LAB, alpha dropped."""
    mode = image.mode
    if mode in ("L", "RGB", "CMYK", "LAB"):
        return image
    if mode.startswith("I") or mode == "F":  # 16 bits: Pillow's own conversion would clip at 255
        values = np.asarray(image, dtype=np.float64)
        top = 65535.0 if mode.startswith("I;16") else _full_scale(values)
        return Image.fromarray(np.rint(np.nan_to_num(values / top).clip(0, 1) * 255).astype(np.uint8))
    if mode in ("LA", "1", "La"):
        return image.convert("LA").convert("L") if mode != "1" else image.convert("L")
    if mode == "P" and image.palette is not None and image.palette.mode == "RGBA":
        return image.convert("RGBA").convert("RGB")
    return image.convert("RGB")


def _full_scale(values: np.ndarray) -> float:
    """The value of white in a picture whose integers or floats have no declared range."""
    peak = float(np.nanmax(values, initial=0.0))
    for top in (1.0, 255.0, 65535.0):
        if peak <= top:
            return top
    return peak


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if image.mode == "LAB":
        source = ImageCms.createProfile("LAB")
        return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if not ImageCms.getProfileDescription(source).lower().startswith("srgb"):
                return ImageCms.profileToProfile(
                    image,
                    source,
                    ImageCms.createProfile("sRGB"),
                    renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
                    outputMode="RGB",
                    flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
                )
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError, KeyError):
            pass  # a damaged profile, or one for another mode: assume sRGB
    return image.convert("RGB")
