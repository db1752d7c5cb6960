"""The app as a process of its own and a real browser; skipped only where no Chromium can be started."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from visitor import WAIT

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
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


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class App:
    """``python app.py`` with a pack: its name or the path of its manifest.  environment: more variables."""

    def __init__(self, folder: Path, pack: str | Path, **environment: str):
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("BARBERSHOP_", "HF_", "GRADIO_"))}
        kept |= {"GRADIO_SERVER_PORT": str(port), "GRADIO_TEMP_DIR": str(folder / "gradio"), "HF_HUB_OFFLINE": "1"}
        kept |= {
            "BARBERSHOP_PACK": str(pack),
            "BARBERSHOP_CACHE": str(folder / "cache"),
            "BARBERSHOP_MAPPERS": str(folder / "mappers"),
            "OMP_NUM_THREADS": "1",
        }
        kept |= environment
        self.environment = kept
        self.log = folder / "log.txt"
        started = time.monotonic()
        with self.log.open("w") as log:
            self.process = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=kept, stdout=log, stderr=log)
        while True:
            try:
                with urllib.request.urlopen(self.url, timeout=30) as answer:
                    answer.read()
                break
            except OSError:
                assert self.process.poll() is None, self.log.read_text()
                assert time.monotonic() - started < 180, self.log.read_text()
                time.sleep(0.05)
        self.seconds = time.monotonic() - started

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(20)


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


@pytest.fixture
def studio_app(tmp_path):
    """The page as a newcomer has it: the embedded pack, an empty cache, no network."""
    running = App(tmp_path, "studio")
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
