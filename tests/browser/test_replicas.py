"""Two processes of the page behind a proxy with sticky sessions, in a real browser."""

from __future__ import annotations

import pytest
from app_process import App, free_port
from small_pack import write_small_pack
from sticky_proxy import COOKIE, serve
from visitor import WAIT, download, photo, upload


@pytest.fixture
def replicas(tmp_path):
    """Two processes with the same cache, and so the same folder of visits."""
    pack = write_small_pack(tmp_path / "pack")
    running = []
    try:
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            running.append(App(tmp_path / name, pack, BARBERSHOP_CACHE=str(tmp_path / "shared" / "cache")))
        yield running
    finally:
        for app in running:
            app.process.kill()


def visitor(chromium, url: str):
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    context.set_default_timeout(WAIT)
    opened = context.new_page()
    opened.goto(url)
    opened.wait_for_selector("#run")
    return opened


def replica_of(page) -> int:
    return next(int(cookie["value"]) for cookie in page.context.cookies() if cookie["name"] == COOKIE)


@pytest.mark.slow
def test_visitors_stay_with_a_replica_and_survive_it(chromium, replicas, tmp_path):
    with serve([app.url for app in replicas], free_port()) as url:
        first, second = (visitor(chromium, url) for _ in replicas)
        assert {replica_of(first), replica_of(second)} == {0, 1}
        for number, page in enumerate((first, second)):
            upload(page, "face", photo(tmp_path / f"face-{number}.png", 70 + number))
            upload(page, "hair_shape", photo(tmp_path / f"hair-{number}.png", 80 + number))
        for page in (first, second):
            page.locator("#preview img").wait_for()
        for page in (first, second):  # both at once: each replica has a queue of its own
            page.click("#run")
        for page in (first, second):
            page.locator("#history .thumbnail-item").nth(1).wait_for()
        kept = [download(page, tmp_path / f"{page is first}.png", "transfer").read_bytes() for page in (first, second)]
        assert kept[0] != kept[1]
        gone = replica_of(first)

        replicas[gone].process.kill()
        replicas[gone].process.wait()
        first.reload()  # the other replica finds the visit on the shared disk
        first.locator("#history .thumbnail-item").nth(1).wait_for()
        assert replica_of(first) == replica_of(second) == 1 - gone
        assert download(first, tmp_path / "again.png", "transfer").read_bytes() == kept[0]
        first.click("#undo")
        first.locator("#preview img").wait_for()
        assert download(second, tmp_path / "second.png", "transfer").read_bytes() == kept[1]
        for page in (first, second):
            page.context.close()
