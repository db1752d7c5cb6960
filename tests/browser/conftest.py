"""The app as a process of its own and a real browser; skipped only where no Chromium can be started."""

import os
import shutil
import sys
from pathlib import Path

import pytest
from visitor import WAIT

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
from app_process import App  # noqa: E402

FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage"
).split()


@pytest.fixture(scope="session")
def chromium():
    sync_api = pytest.importorskip("playwright.sync_api")
    found = [shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")]
    with sync_api.sync_playwright() as playwright:
        for path in [os.environ.get("CHROMIUM"), *found, playwright.chromium.executable_path]:
            if path and Path(path).exists():
                browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
                break
        else:
            pytest.skip("no Chromium here: install Debian's chromium or run 'playwright install chromium'")
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def app(tmp_path_factory):
    """The page with a small random pack."""
    from small_pack import write_small_pack
    from small_rigged import add_rig
    from small_words import add_words

    folder = tmp_path_factory.mktemp("app")
    running = App(folder, add_rig(add_words(write_small_pack(folder / "pack"))))
    yield running
    running.close()


@pytest.fixture(scope="session")
def impatient_app(tmp_path_factory):
    """The same page, where only one may wait at a time."""
    from small_pack import write_small_pack

    folder = tmp_path_factory.mktemp("impatient")
    running = App(folder, write_small_pack(folder / "pack"), BARBERSHOP_LONGEST_WAIT="0")
    yield running
    running.close()


@pytest.fixture(scope="module")
def studio_app(tmp_path_factory):
    """The page as a newcomer has it: the embedded pack, an empty cache, no network."""
    running = App(tmp_path_factory.mktemp("studio"), "studio", tiny=False)
    yield running
    running.close()


@pytest.fixture
def page(chromium, app):
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    opened = context.new_page()
    opened.set_default_timeout(WAIT)
    opened.goto(app.url)
    opened.wait_for_selector("#run")
    opened.app = app
    yield opened
    context.close()
