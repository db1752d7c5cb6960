"""What a visitor sees: the first page, the picture that stays in sight, contrast, the keyboard."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from visitor import WAIT, download, photo, picture, slide, tab, upload

TABS = ("Hair", "Face swap", "Words", "Pose & light")
SIZES = {"desktop": (1280, 900), "tablet": (820, 1180), "phone": (390, 844)}
WHAT_LIES_THERE = """e => {
  e.scrollIntoView({block: 'nearest'});
  const r = e.getBoundingClientRect();
  const there = document.elementFromPoint(r.x + r.width / 2, r.y + r.height / 2);
  const copy = !!e.closest('[aria-hidden=true], .visually-hidden'); // Gradio measures its tabs by a hidden copy
  const free = there === e || e.contains(there) || !!there?.contains(e) || copy;
  return free ? '' : `${e.id || e.innerText} lies under ${there?.tagName}.${there?.className}`;
}"""
IN_SIGHT = """s => {
  const r = [...document.querySelectorAll(s)].at(-1).getBoundingClientRect();
  return r.height > 40 && r.bottom > 40 && r.top < innerHeight - 40;
}"""


def opened(chromium, app, size: str, scheme: str = "light"):
    width, height = SIZES[size]
    page = chromium.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    page.set_default_timeout(WAIT)
    page.goto(f"{app.url}/?__theme={scheme}")
    page.wait_for_selector("#run")
    return page


@pytest.mark.parametrize("size", SIZES)
def test_the_first_screen_shows_what_the_page_does(chromium, app, size):
    page = opened(chromium, app, size)
    shown = page.locator("#first .pair img")
    assert shown.count() == 4  # a photo, and what hair photos, words and the light make of it
    page.wait_for_function("[...document.querySelectorAll('#first .pair img')].every(i => i.naturalWidth > 300)")
    assert all(shown.nth(k).get_attribute("alt") for k in range(4))
    page.locator("#examples .thumbnail-item").first.wait_for()
    height = SIZES[size][1]
    for selector in ("#first .pair", "#examples .thumbnail-item", "#face"):
        box = page.locator(selector).first.bounding_box()
        assert box["y"] < height - 60, selector
    assert page.locator("#examples .thumbnail-item").count() >= 8
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0]
    for empty in ("#result", "#chain", "#files", "#details", "#adjust"):  # boxes that have nothing to show yet
        assert not page.locator(empty).is_visible(), empty
    page.close()


COVERED = """() => [...document.querySelectorAll(".ready .thumbnail-item, #examples .thumbnail-item")].map(item => {
  const name = item.querySelector('.caption-label'), picture = item.querySelector('img').getBoundingClientRect();
  const words = name.getBoundingClientRect(), cut = name.scrollWidth > name.clientWidth + 1;
  const labels = [...item.closest('.block').querySelectorAll('label')].map(e => e.getBoundingClientRect());
  const over = labels.some(r => r.height && r.bottom > picture.top + 1 && r.top < picture.bottom);
  return cut || over || words.top < picture.bottom - 2 ? name.innerText : '';
}).filter(Boolean)"""


@pytest.mark.parametrize(("size", "language"), [("desktop", "en"), ("tablet", "fr"), ("phone", "fr"), ("phone", "ko")])
def test_pictures_to_click_are_whole_and_so_are_their_names(chromium, app, size, language):
    """Bug: the gallery's label lay over its first picture, and names ended in "…"."""
    page = chromium.new_page(viewport=dict(zip(("width", "height"), SIZES[size])), locale=language)
    page.set_default_timeout(WAIT)
    page.goto(app.url)
    page.locator("#colours .thumbnail-item").first.wait_for()
    page.wait_for_timeout(1500)  # the captions come again in the visitor's language
    assert page.evaluate(COVERED) == []
    page.close()


def test_an_example_is_shown_where_one_looks_and_its_face_is_found(chromium, app):
    """The rendered people's pictures are small, so this pack finds a face in the middle of them."""
    page = opened(chromium, app, "phone")
    page.locator("#examples .thumbnail-item").first.click()
    page.locator("#status", has_text="Stored example").wait_for()
    page.wait_for_function(IN_SIGHT, arg="#result")
    page.wait_for_function("document.querySelector('#person .note').innerText.trim().length > 10")
    page.close()


@pytest.mark.slow
def test_the_picture_stays_while_sliders_are_moved(chromium, app, tmp_path):
    """Bug: `overflow: hidden` on the container ended `position: sticky`; on a phone the picture covered buttons."""
    for size in ("desktop", "phone"):
        page = opened(chromium, app, size)
        upload(page, "face", photo(tmp_path / "me.png", 60))
        page.locator("#status", has_text="every tab starts").wait_for()
        tab(page, "Pose & light")
        page.click("#rig_open")
        page.locator("#status", has_text="Ready in").wait_for()
        page.locator("#preview.live img, #result.live img").first.wait_for()
        page.wait_for_function(IN_SIGHT, arg="#yaw")  # bug: on a phone they were out of sight above the result
        page.locator("#light_warmth").scroll_into_view_if_needed()
        slide(page, "#light_warmth", "0.5")
        page.locator("#rig_note", has_text="Repainted").wait_for()
        page.locator("#keep_rig").scroll_into_view_if_needed()
        assert page.evaluate("scrollY") > 200
        assert page.evaluate(IN_SIGHT, "#preview.live img, #result.live img"), size
        buttons = page.locator("button:visible, [role=tab]:visible")
        covered = [buttons.nth(k).evaluate(WHAT_LIES_THERE) for k in range(buttons.count())]
        assert not list(filter(None, covered)), (size, covered)
        page.close()


def test_a_picture_that_browsers_cannot_show_is_shown_decoded(page, tmp_path):
    """Bug: a TIFF left a broken thumbnail."""
    file = tmp_path / "me.tiff"
    made = Image.open(photo(tmp_path / "me.png", 61))
    made.save(file)
    for slot in ("face", "hair_shape"):
        page.set_input_files(f"#{slot} input[type=file]", file)
        page.wait_for_function(f"document.querySelector('#{slot} img')?.naturalWidth == {made.width}")
        assert (picture(page, f"#{slot}") == np.asarray(made)).all()


def test_ready_made_hair_takes_three_clicks(page, tmp_path):
    """Upload, a style or a colour, Run."""
    upload(page, "face", photo(tmp_path / "me.png", 62))
    page.locator("#styles .thumbnail-item").nth(6).click()
    page.locator("#hair_shape img").first.wait_for()
    page.locator("#colours .thumbnail-item").nth(4).click()
    page.locator("#hair_color img").first.wait_for()
    page.click("#run")
    page.locator("#status", has_text="Done in").wait_for()
    download(page, tmp_path / "new.png", "transfer")
    first, second, third = (page.locator(f"#{name}") for name in ("download_photo", "download_jpeg", "download"))
    assert first.bounding_box()["x"] <= second.bounding_box()["x"]
    assert "120 × 160" in first.inner_text() and "64 × 64" in third.inner_text()
    with page.expect_download() as coming:
        second.click()
    coming.value.save_as(tmp_path / "new.jpg")
    assert Image.open(tmp_path / "new.jpg").format == "JPEG"
    from barbershop_core.editing.picture_file import read_text

    assert json.loads(read_text(tmp_path / "new.jpg"))["operation"] == "transfer"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_for_axe(chromium, app, scheme):
    """Contrast, names of controls, alternative texts, by axe-core's rules, on every tab with everything unfolded."""
    axe = pytest.importorskip("axe_playwright_python")
    page = opened(chromium, app, "desktop", scheme)
    page.evaluate((Path(axe.__file__).parent / "axe.min.js").read_text(encoding="utf-8"))
    found = []
    for name in TABS:
        tab(page, name)
        page.wait_for_timeout(500)
        page.evaluate(
            "document.querySelectorAll('button.label-wrap:not(.open)').forEach(e => e.checkVisibility() && e.click())"
        )
        page.wait_for_timeout(800)
        report = page.evaluate("() => axe.run({resultTypes: ['violations']})")
        found += [
            (name, rule["id"], node["html"][:160], [check.get("data") for check in node["any"]])
            for rule in report["violations"]
            if rule["impact"] in ("serious", "critical")
            for node in rule["nodes"]
        ]
    page.close()
    assert not found, "\n".join(map(str, found))


def test_keyboard_alone_from_upload_to_download(page, tmp_path):
    """Each step is reached by Tab and done by Enter or Space."""
    reached = "(s) => { const e = document.activeElement; return !!e?.closest(s); }"

    def go(selector: str, most: int = 120) -> None:
        for _ in range(most):
            if page.evaluate(reached, selector):
                return
            page.keyboard.press("Tab")
        raise AssertionError(f"Tab never reaches {selector}")

    with page.expect_file_chooser() as chooser:  # Chromium has to know some time before that it is not to open one
        go("#face button")
        page.keyboard.press("Enter")
    chooser.value.set_files(photo(tmp_path / "me.png", 63))
    page.locator("#face img").first.wait_for()
    go("#colours .thumbnail-item")
    page.keyboard.press("Enter")
    page.locator("#hair_color img").first.wait_for()
    go("#run")
    page.keyboard.press("Enter")
    page.locator("#status", has_text="Done in").wait_for()
    go("#download_photo")
    with page.expect_download() as coming:
        page.keyboard.press("Enter")
    coming.value.save_as(tmp_path / "new.png")
    assert Image.open(io.BytesIO((tmp_path / "new.png").read_bytes())).size == (120, 160)
