"""What a visitor does with the page, for the tests in a real browser."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from barbershop_core.editing.recipe import read as read_recipe
from barbershop_core.editing.recipe import steps

WAIT = 240_000
"""Milliseconds that anything may take: the first run imports PyTorch."""


def photo(path: Path, seed: int, size=(120, 160)) -> Path:
    noise = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    Image.fromarray(noise).resize(size, Image.BICUBIC).save(path, quality=95)
    return path


def upload(page, slot: str, file: Path) -> None:
    page.set_input_files(f"#{slot} input[type=file]", file)
    page.locator(f"#{slot} img").first.wait_for()


def tab(page, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()


def picture(page, selector: str) -> np.ndarray:
    """The picture that an element shows."""
    source = page.locator(f"{selector} img").last.get_attribute("src")
    return np.asarray(Image.open(io.BytesIO(page.request.get(source).body())).convert("RGB"))


def until_changed(page, selector: str, before: np.ndarray) -> None:
    """Wait until an element shows another picture; a failing wait raises."""
    shown = page.locator(f"{selector} img").last.get_attribute("src")
    while not (picture(page, selector) != before).any():
        page.wait_for_function(
            "([s, old]) => [...document.querySelectorAll(s + ' img')].at(-1)?.getAttribute('src') !== old",
            arg=[selector, shown],
        )
        shown = page.locator(f"{selector} img").last.get_attribute("src")


def download(page, path: Path, *operations: str) -> Path:
    """Download the portrait; the button follows the picture a moment later, so until it holds these edits."""
    for _ in range(40):
        with page.expect_download() as coming:
            page.click("#download")
        coming.value.save_as(path)
        found = tuple(step["operation"] for step in steps(read_recipe(path)))
        if found == operations:
            return path
        page.wait_for_timeout(500)
    raise AssertionError(f"the download holds {found}, not {operations}")


def slide(page, selector: str, value: str) -> None:
    """Move a slider as a person does: it tells of every move."""
    page.locator(f"{selector} input[type=range]").evaluate(
        "(e, v) => { e.value = v; e.dispatchEvent(new Event('input', {bubbles: true})) }", value
    )
