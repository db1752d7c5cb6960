"""Animations: what is written can be read again, frame by frame."""

import io
import shutil
import uuid

import numpy as np
import pytest
from PIL import Image

from barbershop_core.errors import BadRequest
from barbershop_core.pie import animation
from barbershop_core.progress import run


def frames(count: int = 6, side: int = 64) -> list[np.ndarray]:
    """Grey pictures of increasing brightness."""
    return [np.full((side, side, 3), 20 + 30 * k, np.uint8) for k in range(count)]


MARK = b"digitalsourcetype/compositeWithTrainedAlgorithmicMedia"


def boxes(data: bytes):
    """Types and contents of an MP4's outermost boxes, which must fill the file."""
    at = 0
    while at < len(data):
        length, header = int.from_bytes(data[at : at + 4], "big"), 8
        if length == 1:
            length, header = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        yield data[at + 4 : at + 8], data[at + header : at + length]
        at += length
    assert at == len(data)


def test_a_gif_holds_every_frame_enlarged():
    steps = []
    made = run(animation.encode(frames(), "gif", 10), steps.append)
    with Image.open(io.BytesIO(made["data"])) as picture:
        assert picture.n_frames == 6 and picture.size == (256, 256) and picture.info["loop"] == 0
        assert picture.info["duration"] == 100
        for k in range(6):
            picture.seek(k)
            assert abs(int(np.asarray(picture.convert("RGB")).mean()) - (20 + 30 * k)) <= 2
    assert made["name"] == "sweep.gif" and steps[-1].index == steps[-1].total
    xmp = made["data"].split(b"!\xff\x0bXMP DataXMP", 1)[1]
    assert xmp.startswith(b"<?xpacket begin") and MARK in xmp.split(b"<?xpacket end", 1)[0]


@pytest.mark.parametrize("ffmpeg", [True, False], ids=["ffmpeg", "opencv"])
def test_an_mp4_plays_the_frames(ffmpeg, tmp_path, monkeypatch):
    cv2 = pytest.importorskip("cv2")
    if ffmpeg and shutil.which("ffmpeg") is None:
        pytest.skip("no ffmpeg on this machine")
    if not ffmpeg:
        monkeypatch.setattr(animation.shutil, "which", lambda name: None)
    made = run(animation.encode(frames(), "mp4", 12))
    assert made["name"] == "sweep.mp4" and not made["notices"]
    kinds = dict(boxes(made["data"]))
    assert kinds[b"uuid"][:16] == uuid.UUID("be7acfcb-97a9-42e8-9c71-999491e3afac").bytes and MARK in kinds[b"uuid"]
    assert made["data"].count(MARK) == 1
    path = tmp_path / made["name"]
    path.write_bytes(made["data"])
    film, means = cv2.VideoCapture(str(path)), []
    while True:
        more, frame = film.read()
        if not more:
            break
        means.append(float(frame.mean()))
    assert film.get(cv2.CAP_PROP_FRAME_WIDTH) == 256
    assert len(means) == 6 and np.abs(np.array(means) - [20 + 30 * k for k in range(6)]).max() < 6


def test_without_any_encoder_it_is_a_gif_and_says_so(monkeypatch):
    monkeypatch.setattr(animation, "_mp4_ffmpeg", lambda *a: None)
    monkeypatch.setattr(animation, "_mp4_opencv", lambda *a: None)
    made = run(animation.encode(frames(), "mp4"))
    assert made["name"] == "sweep.gif" and "cannot write MP4" in made["notices"][0]


@pytest.mark.parametrize(
    ("count", "kind", "fps", "word"), [(6, "avi", 12, "format"), (1, "gif", 12, "two frames"), (6, "gif", 0, "second")]
)
def test_bad_requests_get_their_sentence(count, kind, fps, word):
    with pytest.raises(BadRequest, match=word):
        run(animation.encode(frames(count), kind, fps))
