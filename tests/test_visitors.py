"""Many visitors on one worker: nobody is lost, nobody sees another's picture, and memory does not grow."""

from __future__ import annotations

import gc
import io
import json
import re
import threading
import time
from pathlib import Path

import httpx
import numpy as np
import pytest
from http_visitor import Page, Visitor
from PIL import Image
from small_pack import write_small_pack
from small_page import small_page

VISITORS = 50
SECONDS = 1700.0
"""What the slowest machine may take for all of them."""
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture
def served(tmp_path):
    """A served page on a small random pack, whose edits take a moment."""
    with small_page(write_small_pack(tmp_path / "pack"), tmp_path) as modules:
        app = modules.app
        _, url, _ = app.demo.launch(prevent_thread_lock=True, quiet=True, ssr_mode=False, share=False, **app.SERVER)
        modules.url = url
        yield modules
        app.demo.close()


def framed(path: Path, colour: tuple[int, int, int], seed: int) -> Path:
    """A photo with the visitor's own colour all around."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    photo = Image.new("RGB", (120, 200), colour)
    photo.paste(Image.fromarray(noise).resize((120, 120), Image.BICUBIC), (0, 40))
    photo.save(path)
    return path


def colour_of(number: int) -> tuple[int, int, int]:
    return 5 * number, 250 - 5 * number, (37 * number) % 256


def hair(visitor: Visitor) -> tuple[list[dict], int]:
    """The messages of a hair edit, and how often the visitor was asked to come back."""
    for refused in range(1000):
        messages = visitor.happen("run", "click")
        if "waiting already" not in json.dumps(messages):
            return messages, refused
        time.sleep(2.0)
    raise AssertionError("never served")


def test_fifty_visitors_each_get_their_own_picture(served, tmp_path):
    page, results = Page(served.url), {}
    began, together = time.monotonic(), threading.Barrier(VISITORS)

    def visit(number: int) -> None:
        colour, folder = colour_of(number), tmp_path / f"{number}"
        folder.mkdir()
        with httpx.Client(timeout=SECONDS) as client:
            visitor = Visitor(page, client)
            visitor.upload("face", framed(folder / "me.png", colour, number))
            visitor.upload("hair_color", framed(folder / "colour.png", colour, 1000 + number))
            visitor.happen("face", "input")
            together.wait(SECONDS)
            messages, refused = hair(visitor)
            seen = visitor.file(messages, "barbershop-photo.png")
            waited = [int(n) for n in re.findall(r"Waiting: (\d+) ahead", json.dumps(messages))]
            results[number] = (np.asarray(Image.open(io.BytesIO(seen)).convert("RGB")), waited, refused)

    threads = [threading.Thread(target=visit, args=(number,), daemon=True) for number in range(VISITORS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(1.0, SECONDS - (time.monotonic() - began)))
    assert sorted(results) == list(range(VISITORS))  # none is lost
    for number, (picture, _, _) in results.items():
        assert (picture[:20] == colour_of(number)).all() and (picture[-20:] == colour_of(number)).all(), number
    told = [waited for _, waited, _ in results.values() if waited]
    back = sum(refused > 0 for *_, refused in results.values())
    print(f"{VISITORS} visitors in {time.monotonic() - began:.0f} s; {len(told)} were told how many come first,")
    print(f"at most {max(map(max, told))}; {back} were asked to come back, and did")
    spoken_to = [number for number, (_, waited, refused) in results.items() if waited or refused]
    assert len(spoken_to) >= VISITORS - 5  # all but those whose turn it was at once
    assert all(waited == sorted(waited, reverse=True) for waited in told)  # nobody is overtaken
    assert not served.gpu.line._places  # and nothing blocks the next


def resident() -> float:
    """This process's memory in MB."""
    gc.collect()
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from Linux's /proc")
def test_memory_after_200_edits_is_that_after_20(served, tmp_path):
    page, sizes = Page(served.url), {}
    for number in range(1, 201):
        with httpx.Client(timeout=SECONDS) as client:
            visitor = Visitor(page, client)
            visitor.upload("face", framed(tmp_path / "me.png", colour_of(number % 50), number))
            visitor.upload("hair_color", framed(tmp_path / "colour.png", colour_of(number % 50), 1000 + number))
            visitor.happen("face", "input")
            messages, _ = hair(visitor)
            assert visitor.file(messages, "barbershop.png")
        if number in (20, 50, 100, 150, 200):
            sizes[number] = resident()
    print("memory in MB by edits:", {number: round(size) for number, size in sizes.items()})
    assert sizes[200] < 1.1 * sizes[20]
