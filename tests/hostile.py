"""Files that nobody should send, as functions that make their bytes."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image, PngImagePlugin


def clouds(width: int, height: int, mode: str = "RGB") -> Image.Image:
    noise = np.random.default_rng(7).integers(0, 256, (6, 6, 3), np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.BICUBIC).convert(mode)


def saved(picture: Image.Image, kind: str, **options) -> bytes:
    data = io.BytesIO()
    picture.save(data, kind, **options)
    return data.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_of(width: int, height: int, pixels: bytes, depth: int = 8, colour: int = 2, before: bytes = b"") -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + before + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def png_bomb(side: int) -> bytes:
    """Side x side pixels of one bit in a few kB."""
    packer, row = zlib.compressobj(9), bytes(1 + side // 8)
    return png_of(side, side, b"".join(packer.compress(row) for _ in range(side)) + packer.flush(), 1, 0)


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def text_bomb() -> bytes:
    """100 MB of text in a compressed chunk."""
    text = b"note\0\0" + zlib.compress(bytes(100_000_000), 9)
    return png_of(64, 64, zlib.compress(bytes(64 * 193)), before=chunk(b"zTXt", text))


def profile_bomb() -> bytes:
    profile = b"icc\0\0" + zlib.compress(bytes(100_000_000), 9)
    return png_of(64, 64, zlib.compress(bytes(64 * 193)), before=chunk(b"iCCP", profile))


def recipe_bomb() -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_itxt("barbershop", "[" * 1_000_000)
    return saved(clouds(96, 128), "PNG", pnginfo=info)


def exif_bomb() -> bytes:
    """As many tags as a segment holds, with offsets that lead nowhere, in place of a JPEG's EXIF."""
    count = 5000
    tags = b"".join(struct.pack(">HHII", 0x9000 + n % 200, 2, 0xFFFFFFF0, 0xFFFFFF00 + n % 99) for n in range(count))
    exif = b"Exif\0\0MM\0*\0\0\0\x08" + struct.pack(">H", count) + tags
    return saved(clouds(96, 128), "JPEG", exif=exif[:65000])


def archive() -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("../../evil.sh", "rm -rf /")
        packed.writestr("zeros", bytes(10_000_000))
    return data.getvalue()


def gif_of(frames: int) -> bytes:
    pictures = [clouds(96, 128).rotate(n) for n in range(frames)]
    return saved(pictures[0], "GIF", save_all=True, append_images=pictures[1:])


def gif_that_claims(width: int, height: int) -> bytes:
    data = bytearray(saved(clouds(96, 128), "GIF"))
    data[6:10] = struct.pack("<HH", width, height)
    return bytes(data)


def bmp_that_claims(width: int, height: int) -> bytes:
    data = bytearray(saved(clouds(96, 128), "BMP"))
    data[18:26] = struct.pack("<ii", width, height)
    return bytes(data)


def float_tiff() -> bytes:
    values = np.random.default_rng(0).normal(0, 1e30, (128, 96)).astype(np.float32)
    values[::3], values[1::3] = np.nan, np.inf
    return saved(Image.fromarray(values, "F"), "TIFF")


def sixteen_bits() -> bytes:
    grey = np.asarray(clouds(96, 128, "L"), np.uint16)
    return saved(Image.fromarray(grey * 257), "PNG")


SVG = b"""<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>
<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script><text>&x;</text></svg>"""
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
REFUSED, READ, EITHER = "refused", "read", "either"

FILES: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "nothing": ("a.jpg", lambda: b"", REFUSED),
    "one byte": ("a.jpg", lambda: b"\xff", REFUSED),
    "text": ("a.jpg", lambda: b"hello\n" * 100, REFUSED),
    "a web page": ("a.png", lambda: b"<html><script>alert(1)</script></html>", REFUSED),
    "SVG with a script and an entity": ("a.svg", lambda: SVG, REFUSED),
    "SVG named as PNG": ("a.png", lambda: SVG, REFUSED),
    "PDF": ("a.pdf", lambda: b"%PDF-1.7\n1 0 obj<</JS(app.alert(1))>>", REFUSED),
    "PostScript": ("a.eps", lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(%pipe%id) (r) file", REFUSED),
    "archive": ("a.zip", archive, REFUSED),
    "program": ("a.exe", lambda: b"MZ" + bytes(4000), REFUSED),
    "Photoshop": ("a.psd", lambda: b"8BPS\0\1" + bytes(4000), REFUSED),
    "pickle": ("a.png", lambda: b"\x80\x04cos\nsystem\n(S'id'\ntR.", REFUSED),
    "video": ("a.mp4", lambda: b"\0\0\0\x18ftypmp42" + bytes(4000), REFUSED),
    "damaged HEIC": ("a.heic", lambda: HEIC + bytes(4000), REFUSED),
    "noise named PNG": ("a.png", lambda: np.random.default_rng(0).bytes(100_000), REFUSED),
    "icon": ("a.ico", lambda: saved(clouds(64, 64), "ICO"), REFUSED),
    "PNG, header only": ("a.png", lambda: saved(clouds(96, 128), "PNG")[:33], REFUSED),
    "PNG, cut": ("a.png", lambda: cut(saved(clouds(96, 128), "PNG")), REFUSED),
    "PNG, wrong checksum": ("a.png", lambda: saved(clouds(96, 128), "PNG").replace(b"IDAT", b"IDAX", 1), REFUSED),
    "JPEG, cut": ("a.jpg", lambda: cut(saved(clouds(96, 128), "JPEG")), REFUSED),
    "WebP, cut": ("a.webp", lambda: cut(saved(clouds(96, 128), "WEBP")), REFUSED),
    "TIFF, cut": ("a.tif", lambda: cut(saved(clouds(96, 128), "TIFF")), REFUSED),
    "GIF, cut": ("a.gif", lambda: saved(clouds(96, 128), "GIF")[:400], EITHER),
    "bomb of 30000 x 30000": ("a.png", lambda: png_bomb(30_000), REFUSED),
    "PNG that claims 2 billion pixels a side": ("a.png", lambda: png_of(2**31 - 1, 2**31 - 1, b""), REFUSED),
    "GIF that claims 65535 x 65535": ("a.gif", lambda: gif_that_claims(65535, 65535), REFUSED),
    "BMP that claims 2 billion columns": ("a.bmp", lambda: bmp_that_claims(2**31 - 1, 64), REFUSED),
    "BMP of negative width": ("a.bmp", lambda: bmp_that_claims(-96, -128), EITHER),
    "text bomb in a PNG": ("a.png", text_bomb, REFUSED),
    "profile bomb in a PNG": ("a.png", profile_bomb, REFUSED),
    "EXIF bomb": ("a.jpg", exif_bomb, READ),
    "deep recipe": ("a.png", recipe_bomb, READ),
    "1 x 1": ("a.png", lambda: saved(clouds(1, 1), "PNG"), REFUSED),
    "30000 x 1": ("a.png", lambda: saved(clouds(30_000, 1), "PNG"), REFUSED),
    "1 x 30000": ("a.png", lambda: saved(clouds(1, 30_000), "PNG"), REFUSED),
    "30000 x 30": ("a.png", lambda: saved(clouds(30_000, 30), "PNG"), EITHER),
    "one colour": ("a.png", lambda: saved(Image.new("RGB", (96, 128), "red"), "PNG"), REFUSED),
    "wholly transparent": ("a.png", lambda: saved(Image.new("RGBA", (96, 128)), "PNG"), REFUSED),
    "CMYK": ("a.jpg", lambda: saved(clouds(96, 128, "CMYK"), "JPEG"), READ),
    "16 bits": ("a.png", sixteen_bits, READ),
    "floats that are no numbers": ("a.tif", float_tiff, EITHER),
    "GIF of 300 frames": ("a.gif", lambda: gif_of(300), READ),
    "GIF that is also a script": ("a.gif", lambda: saved(clouds(96, 128), "GIF") + b"*/alert(1)//", READ),
    "JPEG that is also an archive": ("a.jpg", lambda: saved(clouds(96, 128), "JPEG") + archive(), READ),
    "PNG with PHP behind it": ("a.php.png", lambda: saved(clouds(96, 128), "PNG") + b"<?php system('id');", READ),
    "too many bytes": ("a.bmp", lambda: saved(clouds(4000, 3600), "BMP"), REFUSED),
    "name that climbs": ("../../../etc/passwd.png", lambda: saved(clouds(96, 128), "PNG"), READ),
    "name of 500 letters": ("x" * 500 + ".png", lambda: saved(clouds(96, 128), "PNG"), READ),
    "name in signs": ("‮gnp.\x07<b>😀;rm -rf.png", lambda: saved(clouds(96, 128), "PNG"), READ),
}
"""Name -> file name, contents, and what is to happen: refused with a sentence, read, or either of them."""
