"""Animations: what is written can be read again, frame by frame."""

import io
import shutil

import numpy as np
import pytest
from PIL import Image

from barbershop_core.errors import BadRequest
from barbershop_core.pie import animation
from barbershop_core.progress import run


def frames(count: int = 6, side: int = 64) -> list[np.ndarray]:
    """Grey pictures of increasing brightness."""
    return [np.full((side, side, 3), 20 + 30 * k, np.uint8) for k in range(count)]


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


@pytest.mark.parametrize("ffmpeg", [True, False], ids=["ffmpeg", "opencv"])
def test_an_mp4_plays_the_frames(ffmpeg, tmp_path, monkeypatch):
    cv2 = pytest.importorskip("cv2")
    if ffmpeg and shutil.which("ffmpeg") is None:
        pytest.skip("no ffmpeg on this machine")
    if not ffmpeg:
        monkeypatch.setattr(animation.shutil, "which", lambda name: None)
    made = run(animation.encode(frames(), "mp4", 12))
    assert made["name"] == "sweep.mp4" and not made["notices"]
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
