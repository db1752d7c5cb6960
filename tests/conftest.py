"""Options and paths shared by all tests."""

from __future__ import annotations

import os
import sys

if "PYTEST_XDIST_WORKER" in os.environ:  # before PyTorch is imported
    os.environ["OMP_NUM_THREADS"] = "1"
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from barbershop_core.process import spin_briefly  # noqa: E402 - found by the line above

spin_briefly()  # before PyTorch is imported
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

SHARED = ROOT.parent / "shared"  # real photos lie beside the project where it is developed


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="run the tests marked slow, too")


LONGEST = (
    "test_visitors.py",
    "test_hostile.py",
    "test_studio_quality.py",
    "test_batch_command.py",
    "test_batch.py",
    "test_cli.py",
    "test_stylegan2_conformance.py",
    "test_repose.py",
    "test_upkeep.py",
    "test_evaluate_workers.py",
    "test_workers.py",
    "test_world_training.py",
    "test_studio.py",
    "test_rehearsal.py",
)
"""Files that take longest.  They begin first, after the tests in a browser, so that no worker ends alone."""


def pytest_collection_modifyitems(config, items):
    items.sort(key=_rank)
    if config.getoption("--slow") or os.environ.get("CI"):
        return
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="slow: give --slow"))


def _rank(item: pytest.Item) -> int:
    if item.path.parent.name == "browser":
        return -1
    return LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST)


@pytest.hookimpl(optionalhook=True)  # without xdist there are no workers
def pytest_xdist_make_scheduler(config, log):
    """By file, in the order of the files; all tests in a browser on one worker, which starts page and browser once."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return "browser" if "/browser/" in nodeid else super()._split_scope(nodeid)

    return Scheduling(config, log)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real photos; tests that need it are skipped where it is absent."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip("the folder ../shared/data with real photos is not here")
    return folder


@pytest.fixture(scope="session")
def photos(shared_data) -> Path:
    return shared_data / "photos"


@pytest.fixture
def photo(tmp_path):
    """Writes a small photo of coloured clouds, another for each seed; returns its path."""

    def make(seed: int) -> str:
        noise = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
        path = tmp_path / f"{seed}.png"
        Image.fromarray(noise).resize((120, 160), Image.BICUBIC).save(path)
        return str(path)

    return make


@pytest.fixture
def session():
    """A visit to the page, as its handlers are given one."""
    return SimpleNamespace(session_hash=os.urandom(6).hex())


@pytest.fixture(scope="session")
def small_pack(tmp_path_factory):
    from small_pack import write_small_pack
    from small_studio import SIDE

    from barbershop_core import open_pack

    return open_pack(write_small_pack(tmp_path_factory.mktemp("small-pack"), SIDE), device="cpu")


@pytest.fixture(scope="module")
def rigged_pack(tmp_path_factory):
    """A small pack with a rig, in an environment that offers neither the Hub nor a landmarker."""
    from small_pack import write_small_pack
    from small_rigged import add_rig

    from barbershop_core import open_pack

    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("HF_HUB_OFFLINE", "1")
        environment.delenv("BARBERSHOP_LANDMARKER", raising=False)
        yield open_pack(add_rig(write_small_pack(tmp_path_factory.mktemp("rigged"))), device="cpu")


@pytest.fixture
def offline(monkeypatch):
    """No connection, and no landmarker of the user's own."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("BARBERSHOP_LANDMARKER", raising=False)


@pytest.fixture
def studio(small_pack):
    """Without a cache."""
    from barbershop_core import Studio

    return Studio(small_pack, cache=False)


@pytest.fixture(scope="module")
def served_ffhq_pack(tmp_path_factory):
    """The pack on a running server, with the environment pointing there."""
    from hub_server import HubServer
    from served_pack import ServedPack, serve

    folder = tmp_path_factory.getbasetemp() / "served-ffhq"  # one set of files for all modules
    with HubServer() as server, pytest.MonkeyPatch.context() as environment:
        for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "BARBERSHOP_WEIGHTS", "HF_TOKEN"):
            environment.delenv(name, raising=False)
        environment.setenv("HF_ENDPOINT", server.url)
        environment.setenv("HF_HUB_CACHE", str(folder / "hub"))
        yield ServedPack(serve(folder, server), folder / "hub", server)


@pytest.fixture(scope="module")
def desk(tmp_path_factory) -> Path:
    """A folder with a pack and three pictures."""
    from command_line import picture
    from small_pack import write_small_pack

    folder = tmp_path_factory.mktemp("desk")
    write_small_pack(folder / "pack")
    for seed, name in enumerate(("me", "friend", "other")):
        picture(folder / f"{name}.png", seed)
    return folder
