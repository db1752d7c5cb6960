"""What people upload becomes upright sRGB pixels, or one sentence."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from patience import within
from PIL import ExifTags, Image, ImageCms, features

from barbershop_core.errors import CorruptPhoto, PhotoError, PhotoTooLarge, PhotoTooSmall, UnsupportedFormat
from barbershop_core.photo.decode import NEUTRAL, decode


def picture(height: int = 64, width: int = 96) -> np.ndarray:
    """Smooth, in colour, and different in each corner, so that turns and swaps show."""
    y, x = np.mgrid[:height, :width]
    red, green = 40 + 170 * x / width, 30 + 180 * y / height
    return np.rint(np.stack([red, green, 200 - 0.4 * red], axis=-1)).astype(np.uint8)


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


PLAIN = Image.fromarray(picture())


@pytest.mark.parametrize(
    "kind, options, off",
    [
        ("PNG", {}, 0),
        ("BMP", {}, 0),
        ("TIFF", {}, 0),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("WEBP", {"quality": 95}, 6),
        ("JPEG", {"quality": 95}, 5),
        ("JPEG", {"quality": 95, "progressive": True}, 5),
    ],
)
def test_formats(kind, options, off):
    got = decode(encoded(PLAIN, kind, **options))
    assert got.dtype == np.uint8 and got.flags["C_CONTIGUOUS"]
    assert np.abs(got.astype(int) - picture()).max() <= off


def test_avif():
    if not features.check("avif"):
        pytest.skip("this Pillow was built without AVIF")
    assert np.abs(decode(encoded(PLAIN, "AVIF", quality=95)).astype(int) - picture()).mean() < 3


def test_heic(tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif")  # required, but its library does not load everywhere
    large = PLAIN.resize((256, 192))
    data = io.BytesIO()
    pillow_heif.from_pillow(large).save(data, quality=95)
    got = decode(data.getvalue())
    assert got.shape == (192, 256, 3) and np.abs(got.astype(int) - np.asarray(large)).mean() < 3
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # as a phone that was held upright
    turned = io.BytesIO()
    pillow_heif.from_pillow(large).save(turned, quality=95, exif=exif.tobytes())
    assert decode(turned.getvalue()).shape == (256, 192, 3)


def test_a_damaged_heic_is_refused_in_words():
    heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200)
    with pytest.raises(PhotoError):
        decode(heic)


def test_sources(tmp_path):
    data = encoded(PLAIN, "PNG")
    path = tmp_path / "Ünï cödé.png"
    path.write_bytes(data)
    for source in (path, str(path), data, bytearray(data), memoryview(data), PLAIN, picture()):
        assert np.array_equal(decode(source), picture())
    assert np.array_equal(decode(picture()[..., 0])[..., 2], picture()[..., 0])


@pytest.mark.parametrize(
    "source",
    [np.zeros((64, 64, 3)), np.zeros((64, 64, 5), np.uint8), np.zeros((0, 64, 3), np.uint8), np.zeros(64, np.uint8)],
)
def test_arrays_that_are_no_pictures(source):
    with pytest.raises(UnsupportedFormat):
        decode(source)


def test_depths_and_modes():
    ramp = np.rint(np.linspace(0, 65535, 96))[None, :].repeat(64, 0)
    expected = np.rint(ramp / 257).astype(int)
    for image in (Image.fromarray(ramp.astype(np.uint16)), Image.fromarray(ramp.astype(np.int32))):
        got = decode(encoded(image, "TIFF")).astype(int)
        assert np.abs(got - expected[..., None]).max() <= 1, image.mode
    assert (
        np.abs(
            decode(encoded(Image.fromarray((ramp / 65535).astype(np.float32)), "TIFF")).astype(int)
            - expected[..., None]
        ).max()
        <= 1
    )
    grey = decode(encoded(PLAIN.convert("L"), "PNG"))
    assert (grey[..., 0] == grey[..., 2]).all() and np.array_equal(grey[..., 0], np.asarray(PLAIN.convert("L")))
    palette = decode(encoded(PLAIN.quantize(256), "GIF"))
    assert np.abs(palette.astype(int) - picture()).mean() < 6
    bits = decode(encoded(PLAIN.convert("1"), "PNG"))
    assert set(np.unique(bits)) == {0, 255}


def test_cmyk_looks_like_the_rgb_it_was_made_from():
    got = decode(encoded(PLAIN.convert("CMYK"), "JPEG", quality=95))
    assert np.abs(got.astype(int) - picture()).mean() < 4


def test_rgb16_png_is_read_in_full_range():
    values = (picture().astype(np.uint16) * 257).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in values)

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", 96, 64, 16, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    assert np.abs(decode(data).astype(int) - picture()).max() <= 1


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_transparency_lies_on_neutral_grey(mode):
    alpha = np.zeros((64, 96), np.uint8)
    alpha[:, 48:] = 255
    image = PLAIN.convert("RGB" if mode == "RGBA" else "L")
    image.putalpha(Image.fromarray(alpha))
    if mode == "PA":
        image = PLAIN.convert("RGBA")
        image.putalpha(Image.fromarray(alpha))
        image = image.quantize(128)
    got = decode(encoded(image, "PNG")).astype(int)
    assert np.abs(got[:, :47] - NEUTRAL).max() <= 1
    shown = picture() if mode != "LA" else np.asarray(PLAIN.convert("L"))[..., None]
    assert np.abs(got[:, 49:] - shown[:, 49:]).mean() < (6 if mode == "PA" else 0.01)


def test_colour_key_transparency():
    image = Image.new("RGB", (64, 64), (10, 20, 30))
    image.paste((200, 100, 50), (32, 0, 64, 64))
    got = decode(encoded(image, "PNG", transparency=(10, 20, 30)))
    assert (got[:, :32] == NEUTRAL).all() and (got[:, 32:] == (200, 100, 50)).all()


# The pixels of an upright picture as a camera in that orientation stores them (EXIF 2.3, tag 0x0112).
STORED = {
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.transpose(1, 0, 2),
    6: lambda p: np.rot90(p, 1),
    7: lambda p: np.rot90(p, 2).transpose(1, 0, 2),
    8: lambda p: np.rot90(p, -1),
}


@pytest.mark.parametrize("orientation", STORED)
def test_exif_orientation(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](picture())))
    assert np.array_equal(decode(encoded(stored, "PNG", exif=exif)), picture())


def test_broken_exif_is_no_reason_to_refuse():
    for exif in (
        b"Exif\0\0garbage",
        b"Exif\0\0MM\0*\xff\xff\xff\xff",
        b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x12" * 40,
    ):
        assert decode(encoded(PLAIN, "JPEG", exif=exif)).shape == (64, 96, 3)


def test_icc_profile_is_applied():
    """sRGB's own profile with red and blue exchanged: the decoded colours must be exchanged, too."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = profile.replace(b"rXYZ", b"tmpX").replace(b"bXYZ", b"rXYZ").replace(b"tmpX", b"bXYZ")
    swapped = swapped.replace("sRGB".encode("utf-16-be"), "Swap".encode("utf-16-be"))
    assert swapped != profile
    got = decode(encoded(PLAIN, "PNG", icc_profile=swapped)).astype(int)
    assert np.abs(got - picture()[..., ::-1]).max() <= 2
    assert np.array_equal(decode(encoded(PLAIN, "PNG", icc_profile=profile)), picture())
    assert np.array_equal(decode(encoded(PLAIN, "PNG", icc_profile=b"no profile" * 20)), picture())


def test_first_frame_of_animations():
    second = Image.new("RGB", PLAIN.size, (0, 0, 0))
    for kind, options in (("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {}), ("TIFF", {})):
        got = decode(encoded(PLAIN, kind, save_all=True, append_images=[second], **options))
        assert np.abs(got.astype(int) - picture()).mean() < 6, kind


def test_limits_are_checked_before_decoding(tmp_path):
    def header(width, height):
        body = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
        chunk = struct.pack(">I", 13) + b"IHDR" + body + struct.pack(">I", zlib.crc32(b"IHDR" + body))
        return b"\x89PNG\r\n\x1a\n" + chunk + b"\0\0\0\0IDAT\x35\xaf\x06\x1e"  # no pixels at all

    for width, height in ((9000, 9000), (40000, 40000), (2**31 - 1, 2**31 - 1)):
        with pytest.raises(PhotoTooLarge):
            decode(header(width, height))
    sparse = tmp_path / "sparse.jpg"
    with open(sparse, "wb") as file:
        file.truncate(10**12)  # a terabyte of nothing; reading it would not end
    with pytest.raises(PhotoTooLarge, match="40 MB"):
        decode(sparse)
    with pytest.raises(PhotoTooLarge):
        decode(b"\xff" * 1001, max_bytes=1000)
    with pytest.raises(PhotoTooLarge):
        decode(picture(), max_pixels=1000)
    with pytest.raises(PhotoTooSmall, match="1 x 1"):
        decode(np.zeros((1, 1, 3), np.uint8))


@pytest.mark.parametrize(
    "data, error, words",
    [
        (b"", CorruptPhoto, "empty"),
        (b"Dear diary,\n" * 50, UnsupportedFormat, "text"),
        (b"\xef\xbb\xbf<?xml version='1.0'?><svg xmlns='x'><script/></svg>", UnsupportedFormat, "SVG"),
        (b"<!doctype html><html></html>", UnsupportedFormat, "web page"),
        (b"%PDF-1.7\n%\xe2\xe3", UnsupportedFormat, "PDF"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", UnsupportedFormat, "PostScript"),
        (b"\0\0\0\x20ftypisom\0\0\2\0", UnsupportedFormat, "video"),
        (b"8BPS\0\1", UnsupportedFormat, "Photoshop"),
        (b"PK\x03\x04aaaa", UnsupportedFormat, "ZIP"),
        (b"\x89PNG\r\n\x1a\n", CorruptPhoto, "damaged"),
        (bytes(range(256)) * 4, CorruptPhoto, "not a picture"),
    ],
)
def test_other_files_get_their_sentence(data, error, words):
    with pytest.raises(error, match=words) as caught:
        decode(data)
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)


def test_paths_that_are_no_photo(tmp_path):
    for path in (tmp_path, tmp_path / "absent.jpg", "/dev/zero", "a\0b"):
        with pytest.raises(CorruptPhoto):
            decode(path)


def test_every_cut_of_a_file_is_refused_or_read():
    for kind in ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"):
        data = encoded(PLAIN, kind)
        for length in range(1, len(data), max(len(data) // 40, 1)):
            try:
                assert decode(data[:length]).shape == (64, 96, 3)
            except PhotoError:
                pass


SEEDS = [
    encoded(PLAIN, "JPEG"),
    encoded(PLAIN, "PNG"),
    encoded(PLAIN.quantize(16), "GIF"),
    encoded(PLAIN, "TIFF", compression="tiff_lzw"),
    encoded(PLAIN, "WEBP"),
    encoded(PLAIN.convert("CMYK"), "JPEG"),
]


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(SEEDS), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=12))
def test_damaged_bytes_never_raise_anything_else(data, damage):
    broken = bytearray(data)
    for where, value in damage:
        broken[int(where * (len(broken) - 1))] = value
    try:
        assert decode(bytes(broken)).dtype == np.uint8
    except PhotoError:
        pass


def test_hostile_files(photos):
    expected = {
        "bomb_40000x40000.png": PhotoTooLarge,
        "empty.jpg": CorruptPhoto,
        "header_only.png": CorruptPhoto,
        "one_pixel.png": PhotoTooSmall,
        "script.svg": UnsupportedFormat,
        "strip_6000x12.png": PhotoTooSmall,
        "text_as.jpg": UnsupportedFormat,
        "truncated.jpg": CorruptPhoto,
    }
    for path in sorted((photos / "hostile").iterdir()):
        got = within(120, lambda path=path: decode(path))
        if path.name in expected:
            assert type(got) is expected[path.name], path.name
        else:
            assert isinstance(got, np.ndarray), path.name


def test_formats_folder_shows_the_same_picture(photos):
    reference = decode(photos / "astronaut.png").astype(int)
    for path in sorted((photos / "formats").iterdir()):
        got = decode(path).astype(int)
        assert got.shape == reference.shape
        if "gray" in path.name:
            got, wanted = got.mean(2), reference @ [0.299, 0.587, 0.114]
        else:
            wanted = reference
        if "alpha" not in path.name:
            assert np.abs(got - wanted).mean() < 8, path.name
