"""What a visitor sees of their own state in a real browser: another person in mid-run, stale things."""

import time

import pytest
from visitor import WAIT, download, photo, tab, upload

from barbershop_core.editing.recipe import read as read_recipe
from barbershop_core.editing.recipe import steps


def begin_long_run(page) -> None:
    """A run that takes minutes."""
    page.locator("#preset input[value=paper]").check()
    assert page.locator("#stop").is_disabled()
    page.click("#run")
    page.locator("#status .run .bar").wait_for()
    page.wait_for_function("!document.querySelector('#stop').disabled")


def chain_is_empty(page) -> None:
    """No run goes on, and no step has come of it."""
    page.wait_for_function("document.querySelector('#stop').disabled")
    page.wait_for_timeout(2000)
    assert page.locator("#status .run").count() == 0
    assert page.locator("#undo").is_disabled()
    assert page.locator("#history .thumbnail-item").count() == 0


def test_another_person_in_mid_run(page, tmp_path):
    """The run is cancelled, and nothing of it enters the new person's chain."""
    upload(page, "face", photo(tmp_path / "one.png", 60))
    page.locator("#status", has_text="Every tab starts").wait_for()  # it was looked at
    upload(page, "hair_shape", photo(tmp_path / "shape.png", 61))
    begin_long_run(page)
    shown = page.locator("#face img").last.get_attribute("src")
    page.set_input_files("#face input[type=file]", photo(tmp_path / "two.png", 62))
    page.wait_for_function("old => document.querySelector('#face img')?.getAttribute('src') !== old", arg=shown)
    chain_is_empty(page)

    begin_long_run(page)
    page.locator("#examples .thumbnail-item").first.click()
    page.locator("#status", has_text="Stored example").wait_for()
    chain_is_empty(page)
    assert "Stored example" in page.locator("#status").inner_text()


def test_run_pressed_while_another_run_is_ending(page, tmp_path):
    """Bug: Run, pressed while the new photo that ends the last run was still on its way, was dropped without a word."""
    upload(page, "face", photo(tmp_path / "one.png", 70))
    upload(page, "hair_shape", photo(tmp_path / "shape.png", 71))
    begin_long_run(page)
    page.locator("#preset input[value=fast]").check()
    page.route("**/upload*", lambda route: (time.sleep(1.5), route.continue_()))  # a slow line
    page.set_input_files("#face input[type=file]", photo(tmp_path / "two.png", 72))
    page.click("#run")
    page.locator("#status", has_text="Done in").wait_for()
    kept = download(page, tmp_path / "kept.png", "transfer")
    (only,) = steps(read_recipe(kept))
    assert only["options"]["preset"] == "fast" and page.locator("#history .thumbnail-item").count() == 2


def test_run_pressed_twice_runs_once(page, tmp_path):
    upload(page, "face", photo(tmp_path / "one.png", 73))
    upload(page, "hair_shape", photo(tmp_path / "shape.png", 74))
    page.dblclick("#run")
    page.locator("#status", has_text="Done in").wait_for()
    page.wait_for_timeout(3000)
    assert "Done in" in page.locator("#status").inner_text()
    assert page.locator("#history .thumbnail-item").count() == 2


@pytest.mark.slow
def test_nothing_of_the_last_person_stays(page, tmp_path):
    upload(page, "face", photo(tmp_path / "one.png", 63))
    tab(page, "Words")
    for words, slot in (("glasses", "#slot_0"), ("a beard", "#slot_1")):
        page.fill("#prompt textarea, #prompt input", words)
        page.click("#add")
        page.locator(slot).wait_for()
    page.set_input_files("#face input[type=file]", photo(tmp_path / "two.png", 64))
    page.locator("#slot_0").wait_for(state="hidden")
    assert page.locator("#slot_1").is_hidden() and page.locator("#words_stop").is_hidden()
    page.click("#add")  # the same words, of the new person
    page.locator("#slot_0", has_text="a beard").wait_for()
    page.click("#keep_words")
    page.locator("#slot_0").wait_for(state="hidden")
    assert page.locator("#live_note").inner_text().strip() == ""
    kept = download(page, tmp_path / "kept.png", "edit_text")
    assert len(steps(read_recipe(kept))) == 1
    page.locator("#examples .thumbnail-item").first.click()
    page.locator("#status", has_text="Stored example").wait_for()
    page.set_input_files("#face input[type=file]", photo(tmp_path / "three.png", 65))
    page.locator("#preview img").wait_for()
    assert page.locator("#mask img").count() == 0
    assert page.locator("#download").is_disabled()


def test_a_reload_brings_everything_back_and_tabs_are_apart(chromium, app, tmp_path):
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    context.set_default_timeout(WAIT)
    first, second = context.new_page(), context.new_page()
    for opened, seed in ((first, 66), (second, 67)):
        opened.goto(app.url)
        opened.wait_for_selector("#run")
        upload(opened, "face", photo(tmp_path / f"{seed}.png", seed))
        opened.locator("#preview img").wait_for()
    upload(first, "hair_shape", photo(tmp_path / "shape.png", 68))
    first.click("#run")
    first.locator("#history .thumbnail-item").nth(1).wait_for()
    before = download(first, tmp_path / "before.png", "transfer").read_bytes()

    first.reload()
    first.locator("#history .thumbnail-item").nth(1).wait_for()
    first.locator("#face img").wait_for()
    first.locator(".note", has_text="middle").first.wait_for()  # what was found in the photo is said again
    assert first.locator("#result img").count() == 2
    assert download(first, tmp_path / "after.png", "transfer").read_bytes() == before
    first.click("#undo")
    first.locator("#preview img").wait_for()
    second.reload()
    second.locator("#preview img").wait_for()
    assert second.locator("#history .thumbnail-item").count() == 0

    with context.expect_page() as coming:  # a duplicate inherits what the tab has stored
        second.evaluate("window.open(location.href)")
    third = coming.value
    third.wait_for_selector("#run")
    third.wait_for_timeout(4000)
    assert third.locator("#face img").count() == 0
    numbers = {opened.evaluate("sessionStorage.getItem('tab')") for opened in (first, second, third)}
    assert len(numbers) == 3 and all(len(number) == 40 for number in numbers)
    context.close()
