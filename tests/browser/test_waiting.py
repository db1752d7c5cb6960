"""Several visitors at once in a real browser: who waits is told so, and who cannot wait may try again."""

import re

import pytest
from test_visits import begin_long_run
from visitor import WAIT, photo, upload


@pytest.fixture
def visitors(chromium, impatient_app, tmp_path):
    """Three people, each with a form ready to run."""
    pages = []
    for seed in range(3):
        page = chromium.new_context(viewport={"width": 1280, "height": 900}).new_page()
        page.set_default_timeout(WAIT)
        page.goto(impatient_app.url)
        page.wait_for_selector("#run")
        upload(page, "face", photo(tmp_path / f"{seed}.png", 70 + seed))
        upload(page, "hair_color", photo(tmp_path / f"colour {seed}.png", 75 + seed))
        page.locator("#preview img").wait_for()
        pages.append(page)
    yield pages
    for page in pages:
        page.context.close()


def fill_the_line(running, waiting, told: str = "Waiting: 1 ahead") -> None:
    begin_long_run(running)
    waiting.click("#run")
    waiting.locator("#status", has_text=told).wait_for()


def test_waiting_is_seen_and_a_full_line_says_when_to_come_back(visitors):
    first, second, third = visitors
    fill_the_line(first, second)
    third.click("#run")
    third.locator("#status .problem", has_text=re.compile(r"1 other is waiting .* in about \d+ minute")).wait_for()
    third.locator("#retry").wait_for()
    assert third.locator("#hair_color img").count() >= 1  # the form stays
    first.click("#stop")
    second.locator("#status", has_text="Done in").wait_for()
    assert "Waiting" not in second.locator("#status").inner_text()
    third.click("#retry")
    third.locator("#status", has_text="Done in").wait_for()
    assert third.locator("#retry").is_hidden()
    assert third.locator("#history .thumbnail-item").count() == 2


def test_who_stops_while_waiting_leaves_the_line(visitors):
    first, second, third = visitors
    fill_the_line(first, second)
    second.click("#stop")
    second.locator("#status", has_text="Stopped").wait_for()
    third.click("#run")
    while third.locator("#status", has_text="Waiting: 1 ahead").count() == 0:  # a place is free a moment after Stop
        if third.locator("#retry").is_visible():
            third.click("#retry")
        third.wait_for_timeout(500)
    first.reload()  # who leaves makes room, too
    third.locator("#status", has_text="Done in").wait_for()
