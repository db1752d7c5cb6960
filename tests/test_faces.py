"""Faces in real photos: the same face whatever the file, the right sentence where there is none."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from patience import within
from PIL import Image

from barbershop_core import photo
from barbershop_core.errors import BadRequest, FaceIndexError, FaceTurnedAway, NoFaceFound, PhotoError, PhotoTooSmall
from barbershop_core.photo import faces
from barbershop_core.photo.crop import box_corners, ffhq_quad
from barbershop_core.photo.decode import decode
from barbershop_core.photo.landmarker import LandmarkerUnavailable, open_landmarker
from barbershop_core.photo.portrait import MIN_FACE, _of_face


@pytest.fixture(scope="session")
def model(shared_data):
    pytest.importorskip("mediapipe")
    path = shared_data / "face_landmarker_v2_with_blendshapes.task"
    try:
        open_landmarker(path)
    except LandmarkerUnavailable as why:
        pytest.skip(f"no face landmarker: {why}")
    return path


def test_landmark_table_names_the_parts_that_mediapipe_names():
    vision = pytest.importorskip("mediapipe.tasks.python.vision")
    names = vision.FaceLandmarksConnections

    def vertices(*parts):
        return {end for part in parts for edge in part for end in (edge.start, edge.end)}

    table = [set(indices) for indices in faces.IBUG_FROM_MESH]
    assert len(table) == 68
    # MediaPipe's right is the person's right: the image's left, where iBUG begins.
    for part, where in (
        (vertices(names.FACE_LANDMARKS_FACE_OVAL), range(0, 17)),
        (vertices(names.FACE_LANDMARKS_RIGHT_EYEBROW), range(17, 22)),
        (vertices(names.FACE_LANDMARKS_LEFT_EYEBROW), range(22, 27)),
        (vertices(names.FACE_LANDMARKS_NOSE), (27, 29, 30, 33)),
        (vertices(names.FACE_LANDMARKS_RIGHT_EYE), range(36, 42)),
        (vertices(names.FACE_LANDMARKS_LEFT_EYE), range(42, 48)),
        (vertices(names.FACE_LANDMARKS_LIPS), range(48, 68)),
    ):
        for index in where:
            assert table[index] & part, index
    alone = [index for indices in faces.IBUG_FROM_MESH for index in indices if len(indices) == 1]
    assert len(alone) == len(set(alone))


def test_aligned_photos_are_found_aligned(photos, model):
    """FFHQ's own crops (made with dlib's landmarks): ours must agree to 2 % of the side."""
    paths = sorted(photos.glob("aligned_*.jpg"))
    assert paths
    for path in paths:
        image = decode(path)
        found = faces.find(image, model)
        assert len(found) == 1
        whole = box_corners(0, 0, image.shape[1], image.shape[0])
        assert np.abs(ffhq_quad(found[0].landmarks) + 0.5 - whole).max() < 0.025 * len(image), path.name
        portrait = photo.read(path, 1024, model)
        assert np.array_equal(portrait.quad, whole) and np.array_equal(portrait.image, image)


def test_formats_give_the_same_face(photos, model):
    reference = photo.read(photos / "astronaut.png", 128, model)
    assert not reference.notices
    paths = sorted((photos / "formats").iterdir()) + [photos / "hostile" / "exif_broken.jpg"]
    assert len(paths) > 16
    for path in paths:
        got = photo.read(path, 128, model)
        assert np.abs(got.quad - reference.quad).max() < 2.5, path.name
        a, b = got.image.astype(float).mean(2), reference.image.astype(float).mean(2)
        assert np.abs(a - b).mean() < 9, path.name
    assert photo.read(photos / "hostile" / "png_named.jpg", 128, model).digest == reference.digest


@pytest.mark.parametrize("turn", [90, 180, 270, 35])
def test_a_turned_photo_gives_the_same_crop_upright(photos, model, turn):
    upright = photo.read(photos / "astronaut.png", 128, model)
    turned = Image.fromarray(upright.source).rotate(
        turn, expand=True, resample=Image.Resampling.BICUBIC, fillcolor=(190, 190, 190)
    )
    got = photo.read(turned, 128, model)
    off = np.abs(got.image.astype(float) - upright.image)[:100]  # the crop's lowest part leaves the photo
    assert off.mean() < 9


@pytest.mark.parametrize("scale", [0.6, 2.5, 5.0])
def test_the_size_of_the_photo_does_not_matter(photos, model, scale):
    reference = photo.read(photos / "astronaut.png", 64, model)
    small = Image.fromarray(reference.source)
    side = round(512 * scale)
    got = photo.read(small.resize((side, side), Image.Resampling.LANCZOS), 64, model)
    assert np.abs(got.quad / scale - reference.quad).max() < 3


def test_a_small_face_in_a_large_photo_is_found(photos, model):
    face = Image.fromarray(decode(photos / "astronaut.png")[:330, 60:400]).resize((340, 330))
    wide = Image.new("RGB", (4200, 3000), (150, 160, 170))
    wide.paste(face, (3300, 1900))
    portrait = photo.read(wide, 128, model)
    assert portrait.quad[:, 0].min() > 3250 and portrait.quad[:, 1].min() > 1850


def test_several_faces(photos, model):
    two = photo.read(photos / "two_people.jpg", 128, model)
    areas = [(right - left) * (bottom - top) for left, top, right, bottom in two.faces]
    assert len(two.faces) == 2 and areas == sorted(areas, reverse=True) and two.index == 0
    assert "2 faces" in " ".join(two.notices)
    other = photo.read(two, 128, model, face=1)
    assert other.source is two.source and other.faces == two.faces and other.index == 1
    again = photo.read(photos / "two_people.jpg", 128, model, face=1)
    assert other.digest == again.digest != two.digest
    for index in (2, -1):
        with pytest.raises(FaceIndexError, match="2 faces"):
            photo.read(two, 128, model, face=index)
    with pytest.raises(FaceIndexError):
        photo.read(photos / "astronaut.png", 128, model, face=7)


def test_refusals(photos, model):
    for name, error in (
        ("noface_brick.png", NoFaceFound),
        ("noface_cat.png", NoFaceFound),
        ("noface_coffee.png", NoFaceFound),
        ("partial_face.jpg", NoFaceFound),
        ("hostile/black.png", NoFaceFound),
        ("hostile/noise.jpg", NoFaceFound),
        ("hostile/tiny_face_24px.png", PhotoTooSmall),
    ):
        with pytest.raises(error):
            photo.read(photos / name, 128, model)
    with pytest.raises(PhotoTooSmall, match=f"at least {MIN_FACE} pixels"):
        photo.read(photos / "hostile" / "tiny_face_24px.png", 128, model)
    with pytest.raises(FaceTurnedAway, match="degrees"):
        photo.read(photos / "portrait_emma.jpg", 128, model, face=1)
    assert photo.read(photos / "portrait_emma.jpg", 128, model).index == 0


def test_every_photo_is_aligned_or_refused_in_one_sentence(photos, model):
    read = 0
    for path in sorted(p for p in photos.rglob("*") if p.is_file() and p.parent.name != "formats"):
        got = within(300, lambda path=path: photo.read(path, 128, model))
        if isinstance(got, photo.Portrait):
            assert got.image.shape == (128, 128, 3) and got.quad.shape == (4, 2)
            read += 1
        else:
            assert isinstance(got, PhotoError), f"{path.name}: {got!r}"
            assert str(got).endswith(".") and "\n" not in str(got) and len(str(got)) < 250
    assert read >= 15


def test_threads_may_share_the_landmarker(photos, model):
    image = decode(photos / "astronaut.png")
    boxes = []
    threads = [threading.Thread(target=lambda: boxes.append(faces.find(image, model)[0].box)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(boxes) == 4 and len(set(boxes)) == 1
    assert open_landmarker(model) is open_landmarker(str(model))


# ------------------------------------------------------------------------------ without landmarks


def gradient(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 255 // width, y * 255 // height, (x + y) * 255 // (height + width)], axis=-1).astype(np.uint8)


def test_without_a_landmark_file_a_square_passes_as_it_is():
    portrait = photo.read(gradient(96, 96), 96)
    assert np.array_equal(portrait.image, gradient(96, 96)) and portrait.faces == []
    assert portrait.quad.tolist() == [[0, 0], [0, 96], [96, 96], [96, 0]]
    assert len(portrait.notices) == 1


@pytest.mark.parametrize("height, width", [(300, 200), (200, 300), (500, 60)])
def test_without_a_landmark_file_the_middle_is_cut_out(height, width):
    image = gradient(height, width)
    portrait = photo.read(image, 64)
    left, top = portrait.quad[0]
    side = min(height, width)
    assert portrait.quad[2].tolist() == [left + side, top + side]
    assert abs(left - (width - side) / 2) <= 1 and top <= (height - side) / 2
    wanted = Image.fromarray(image[int(top) : int(top) + side, int(left) : int(left) + side]).resize((64, 64), 1)
    assert np.abs(portrait.image.astype(int) - np.asarray(wanted)).max() <= 2
    assert "middle" in portrait.notices[0]


def test_a_landmark_file_that_is_absent_or_broken_is_a_notice(tmp_path):
    broken = tmp_path / "face.task"
    broken.write_bytes(b"nonsense" * 100)
    for path in (tmp_path / "absent.task", broken):
        portrait = photo.read(gradient(120, 90), 32, path)
        assert len(portrait.notices) == 1 and portrait.image.shape == (32, 32, 3)
    with pytest.raises(FaceIndexError):
        photo.read(gradient(120, 90), 32, face=1)


def test_squares_can_be_trusted(model):
    with pytest.raises(NoFaceFound):
        photo.read(gradient(128, 128), 64, model)
    assert photo.read(gradient(128, 128), 64, model, trust_square=True).image.shape == (64, 64, 3)


def test_flat_pictures_and_senseless_sizes():
    with pytest.raises(NoFaceFound, match="flat"):
        photo.read(np.full((64, 64, 3), 7, np.uint8), 64)
    with pytest.raises(BadRequest):
        photo.read(gradient(64, 64), 0)


def test_tensor_and_digest():
    portrait = photo.read(gradient(256, 256), 128)
    tensor = portrait.tensor()
    assert tensor.shape == (1, 3, 128, 128) and tensor.min() >= -1 and tensor.max() <= 1
    back = ((tensor[0].permute(1, 2, 0).numpy() + 1) * 127.5).round().astype(np.uint8)
    assert np.array_equal(back, portrait.image)
    assert portrait.tensor(64).shape == (1, 3, 64, 64)
    # larger than the crop: taken from the photo, not blown up
    large = ((portrait.tensor(256)[0].permute(1, 2, 0).numpy() + 1) * 127.5).round().astype(np.uint8)
    assert np.array_equal(large, gradient(256, 256))
    assert portrait.digest == photo.read(gradient(256, 256), 128).digest
    assert (
        portrait.digest != photo.read(gradient(256, 256)[::-1], 128).digest != photo.read(gradient(256, 256), 64).digest
    )


@pytest.mark.parametrize(
    "count, remedy", [(1, "Leave the index out."), (3, "Give an index from 0, the largest, to 2.")]
)
def test_a_wrong_index_says_which_there_are(count, remedy):
    """To a program as to a person: nothing is "shown" to a caller of the API or the command line."""
    faces = [object()] * count
    with pytest.raises(FaceIndexError) as refused:
        _of_face(np.zeros((64, 64, 3), np.uint8), faces, 64, 7)
    assert "index 7" in str(refused.value) and str(refused.value).endswith(remedy)
