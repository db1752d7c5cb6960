"""A face is chosen by its frame on the photo, with the mouse and with the keyboard."""

import pytest
from app_process import App
from small_pack import write_small_pack
from test_newcomer import beside
from visitor import WAIT

from barbershop_core.weights.assets import ASSETS


@pytest.fixture(scope="module")
def seeing_app(tmp_path_factory):
    """The page with a small random pack that finds faces."""
    folder = tmp_path_factory.mktemp("seeing")
    landmarker = ASSETS / "packs" / "studio" / "face_landmarker.task"
    running = App(folder, write_small_pack(folder / "pack"), BARBERSHOP_LANDMARKER=str(landmarker))
    yield running
    running.close()


def chosen(page, slot: str) -> str:
    return page.locator(f"#{slot}_faces button[aria-pressed=true]").get_attribute("aria-label")


@pytest.mark.parametrize("size", [(1280, 900), (390, 844)], ids=["desktop", "phone"])
def test_a_frame_on_the_photo_chooses_its_face(chromium, seeing_app, tmp_path, size):
    page = chromium.new_page(viewport=dict(zip(("width", "height"), size)))
    page.set_default_timeout(WAIT)
    page.goto(seeing_app.url)
    page.wait_for_selector("#run")
    two = beside(tmp_path / "two.jpg")
    page.set_input_files("#face input[type=file]", two)
    page.locator("#face_faces .frame").nth(1).wait_for()
    assert chosen(page, "face") == "Face 1 of 2, the one that is used"
    photo = page.locator("#face_faces img").bounding_box()
    boxes = [page.locator("#face_faces .frame").nth(k).bounding_box() for k in range(2)]
    # the larger face is the Mona Lisa's, on the right; the astronaut's is on the left
    assert boxes[0]["x"] > photo["x"] + photo["width"] / 2 > boxes[1]["x"] + boxes[1]["width"]
    assert all(min(box["width"], box["height"]) >= 24 for box in boxes)
    filled = "e => getComputedStyle(e).backgroundColor"  # bug: grey boxes hid the faces to choose from
    assert page.locator("#face_faces .frame").first.evaluate(filled) == "rgba(0, 0, 0, 0)"
    assert photo["x"] >= 0 and photo["x"] + photo["width"] <= size[0]
    before = page.locator("#preview img").get_attribute("src")

    page.locator("#face_faces .frame").nth(1).click()
    page.locator(".note", has_text="number 2").first.wait_for()
    assert chosen(page, "face") == "Face 2 of 2, the one that is used"
    page.wait_for_function("old => document.querySelector('#preview img')?.getAttribute('src') !== old", arg=before)

    page.locator("#face_faces .frame").first.focus()
    page.keyboard.press("Enter")
    page.locator(".note", has_text="the largest").first.wait_for()
    assert chosen(page, "face") == "Face 1 of 2, the one that is used"
    page.wait_for_function("document.activeElement.dataset.face === '0'")  # the keyboard stays where it was

    page.set_input_files("#hair_shape input[type=file]", two)
    page.locator("#hair_shape_faces .frame").nth(1).click()
    page.wait_for_function("document.querySelector('#hair_shape_faces .frame[data-face=\"1\"]').ariaPressed === 'true'")
    assert chosen(page, "face") == "Face 1 of 2, the one that is used"
    page.close()
