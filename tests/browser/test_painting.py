"""The target mask painted with the mouse."""

import numpy as np
import pytest
from visitor import photo, picture, upload

from barbershop_core.editing.mask_file import palette
from barbershop_core.editing.recipe import read as read_recipe


def rgb(region: str) -> list[int]:
    """A region's colour in masks."""
    return list(bytes.fromhex(palette()[region][1:]))


def stroke(page, height: float) -> None:
    """Paint across the middle of the picture; height: share of the canvas."""
    box = page.locator("#editor canvas").first.bounding_box()
    y = box["y"] + box["height"] * height
    page.mouse.move(box["x"] + box["width"] * 0.42, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.58, y, steps=10)
    page.mouse.up()
    page.wait_for_timeout(700)


def click_on(page, place) -> None:
    """Click where an element stands, as a hand does: whatever lies over it gets the click."""
    place.scroll_into_view_if_needed()
    box = place.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_timeout(500)


@pytest.mark.slow
def test_a_painted_mask_is_used(page, tmp_path):
    """Hair without choosing, then a colour of the editor's palette, then a region by its name."""
    upload(page, "face", photo(tmp_path / "me.png", 6))
    upload(page, "hair_color", photo(tmp_path / "friend.png", 7))
    page.click("text=Paint the mask yourself")
    page.click("#prepare")
    page.locator("#status", has_text="mask is ready").wait_for()
    canvas = page.locator("#editor canvas").first
    canvas.wait_for()
    page.locator("#editor").scroll_into_view_if_needed()
    page.wait_for_timeout(2000)
    stroke(page, 0.5)

    click_on(page, page.locator("#editor button[aria-label=Color]"))
    colours = page.locator("#editor .swatch-container button.color")
    assert colours.count() == len(palette())
    boxes = [colours.nth(k).bounding_box() for k in range(colours.count())]
    assert min(min(box["width"], box["height"]) for box in boxes) >= 16
    assert len({(round(box["x"]), round(box["y"])) for box in boxes}) == len(boxes)
    nose = list(palette()).index("nose")
    assert colours.nth(nose).get_attribute("aria-label") == "nose"
    click_on(page, colours.nth(nose))
    click_on(page, page.locator("#editor button[aria-label=Color]"))  # closes the palette
    stroke(page, 0.62)

    click_on(page, page.locator("#legend button", has_text="mouth"))
    stroke(page, 0.74)

    page.click("#run")
    page.locator("#status", has_text="Done in").wait_for()
    mask = picture(page, "#mask")
    middle = mask[:, mask.shape[1] // 2]
    found = [np.flatnonzero((middle == rgb(region)).all(1)) for region in ("hair", "nose", "mouth")]
    assert all(len(rows) for rows in found), [len(rows) for rows in found]
    centre = mask.shape[0] / 2
    assert (abs(found[0] - centre) < 6).any()
    assert (found[1] > centre).any() and (found[2] > found[1].min()).any()
    with page.expect_download() as coming:
        page.click("#download")
    coming.value.save_as(tmp_path / "painted.png")
    assert read_recipe(tmp_path / "painted.png")["options"]["mask"]
