"""Short animations: frames as the bytes of a GIF or an MP4.

MP4 is written by the system's ffmpeg (H.264) if there is one, otherwise by OpenCV (VP9).  Both carry the mark of
pictures changed by a trained model, as XMP (see :mod:`..editing.picture_file`).
"""

from __future__ import annotations

import io
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..editing.picture_file import mark
from ..errors import BadRequest
from ..progress import Step, Steps

FORMATS = ("gif", "mp4")
SMALLEST = 256
"""px of the shorter side; smaller frames are enlarged."""
_XMP_BOX = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
"""The extended type of a box with XMP (XMP part 3, 1.2.7)."""


def encode(frames: list[np.ndarray], kind: str = "gif", fps: int = 12) -> Steps[dict[str, Any]]:
    """Frames as a looping animation.

    frames: at least two, uint8 [H,W,3] each.  kind: "gif" or "mp4".  fps: 1..60.
    Yields the stage "write animation".  Returns {"data": bytes, "name": file name, "gif": bytes, "notices":
    list}; data is a GIF if no MP4 can be written here, and a notice says so.  Raises BadRequest.
    """
    if kind not in FORMATS:
        raise BadRequest(f"There is no animation format '{kind}'.", f"Choose one of: {', '.join(FORMATS)}.")
    if not 1 <= fps <= 60:
        raise BadRequest(f"{fps} frames per second is out of range.", "Give 1 to 60; 12 is usual.")
    if len(frames) < 2:
        raise BadRequest("An animation needs at least two frames.", "Ask for more frames.")
    total, notices = 1 + (kind == "mp4"), []
    large = [_enlarged(frame) for frame in frames]
    gif = _gif(large, fps)
    yield Step("write animation", 1, total)
    data = gif
    if kind == "mp4":
        data = _mp4_ffmpeg(large, fps) or _mp4_opencv(large, fps)
        yield Step("write animation", 2, total)
        if data is None:
            kind, data = "gif", gif
            notices.append("This machine cannot write MP4 (no ffmpeg, no OpenCV with VP9), so it is a GIF.")
    if kind == "mp4":
        data = _marked_mp4(data)
    return {"data": data, "name": f"sweep.{kind}", "gif": gif, "notices": notices}


def _enlarged(frame: np.ndarray) -> np.ndarray:
    factor = -(-SMALLEST // min(frame.shape[:2]))
    height, width = (factor * n - factor * n % 2 for n in frame.shape[:2])  # video needs even sides
    if factor == 1:
        return frame[:height, :width]
    return np.asarray(Image.fromarray(frame).resize((width, height), Image.Resampling.BICUBIC))


def _gif(frames: list[np.ndarray], fps: int) -> bytes:
    file = io.BytesIO()
    first, *rest = (Image.fromarray(f).quantize(256, Image.Quantize.MEDIANCUT) for f in frames)
    first.save(file, "GIF", save_all=True, append_images=rest, duration=round(1000 / fps), loop=0)
    return _marked_gif(file.getvalue())


def _marked_gif(data: bytes) -> bytes:
    """With an application extension before the frames (XMP part 3, 1.1.2).  A reader that knows nothing of it takes
    the packet's bytes for lengths of blocks; the bytes after it lead it to the end, wherever it is."""
    lead_out = b"\x01" + bytes(range(255, -1, -1)) + b"\0"
    flags = data[10]
    frames = 13 + (3 * 2 ** ((flags & 7) + 1) if flags & 128 else 0)  # after the header and the colours
    return data[:frames] + b"!\xff\x0bXMP DataXMP" + mark() + lead_out + data[frames:]


def _marked_mp4(data: bytes) -> bytes:
    """With a box of XMP after the others."""
    packet = mark()
    return data + (24 + len(packet)).to_bytes(4, "big") + b"uuid" + _XMP_BOX + packet


def _mp4_ffmpeg(frames: list[np.ndarray], fps: int) -> bytes | None:
    program = shutil.which("ffmpeg")
    if program is None:
        return None
    height, width = frames[0].shape[:2]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "out.mp4"
        source = f"-f rawvideo -pix_fmt rgb24 -s {width}x{height} -r {fps} -i -"
        encoding = "-c:v libx264 -crf 18 -pix_fmt yuv420p -movflags +faststart"
        call = [program, "-v", "error", *source.split(), *encoding.split(), str(path)]
        done = subprocess.run(call, input=b"".join(f.tobytes() for f in frames), capture_output=True)
        return path.read_bytes() if done.returncode == 0 and path.is_file() else None


def _mp4_opencv(frames: list[np.ndarray], fps: int) -> bytes | None:
    try:
        import cv2  # installed with mediapipe
    except ImportError:
        return None
    height, width = frames[0].shape[:2]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "out.mp4"
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"vp09"), float(fps), (width, height))
        if not writer.isOpened():
            return None
        for frame in frames:
            writer.write(cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2BGR))
        writer.release()
        return path.read_bytes() if path.is_file() and path.stat().st_size else None
