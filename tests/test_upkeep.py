"""What is left when time is over, when a process is killed, when the disk is full and when the clock is set back."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from app_process import ROOT, App, file
from hostile import clouds, saved
from hub_server import HubServer
from PIL import Image
from safetensors.torch import load_file
from small_pack import write_small_pack
from small_rigged import add_rig
from small_words import add_words
from test_codes import a_code

from barbershop_core.editing.picture_file import write
from barbershop_core.errors import DiskFull, explained
from barbershop_core.inversion.cache import CodeCache, cache_key

HOUR = 3600.0
KEY = cache_key("digest", "pack", "FS", None)


def files_beneath(*folders: Path) -> list[Path]:
    return [path for folder in folders for path in folder.rglob("*") if path.is_file()]


def set_back(folder: Path, seconds: float) -> None:
    """Let everything beneath a folder be older."""
    for path in (folder, *folder.rglob("*")):
        times = path.stat()
        os.utime(path, (times.st_atime - seconds, times.st_mtime - seconds))


def wait_until(true, seconds: float = 120) -> None:
    started = time.monotonic()
    while not true():
        assert time.monotonic() - started < seconds
        time.sleep(0.2)


# --- time -------------------------------------------------------------------------------------


@pytest.fixture
def house(tmp_path, monkeypatch):
    """The folders of a page, with an upload, a visit and a code in them."""
    monkeypatch.setenv("BARBERSHOP_CACHE", str(tmp_path / "cache"))
    uploads, visit = tmp_path / "uploads", tmp_path / "cache" / "visits" / "someone"
    for path in (uploads / "sha" / "me.png", uploads / ".me.part", visit / "visit.json", visit / "1" / "result.png"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"a face")
    CodeCache().put(KEY, a_code())
    return tmp_path


def test_uploads_visits_and_codes_go_when_their_time_is_over(house):
    from page import upkeep

    uploads, cache = house / "uploads", house / "cache"
    now = time.time()
    upkeep.sweep(uploads, now + 1.9 * HOUR)
    assert len(files_beneath(house)) == 5
    upkeep.sweep(uploads, now + 2.1 * HOUR)
    assert [path.suffix for path in files_beneath(house)] == [".safetensors"]  # the code, which is kept for a day
    upkeep.sweep(uploads, now + 24.1 * HOUR)
    assert files_beneath(uploads, cache) == []


def test_nobody_has_to_come_for_it(house):
    """A page that nobody visits any more deletes what the last visitor left."""
    from page import upkeep

    os.environ["GRADIO_TEMP_DIR"], before = str(house / "barbershop"), os.environ.get("GRADIO_TEMP_DIR")
    (house / "uploads").rename(house / "barbershop")
    try:
        end = upkeep.start(every=0.05)
        assert len(files_beneath(house)) == 5
        set_back(house, 25 * HOUR)
        wait_until(lambda: files_beneath(house) == [])
        end.set()
    finally:
        os.environ.pop("GRADIO_TEMP_DIR") if before is None else os.environ.update(GRADIO_TEMP_DIR=before)


def test_a_clock_that_was_set_back(house):
    """What was written "in a year" is kept as long as anything else from now on, not for a year."""
    from page import upkeep

    set_back(house, -365 * 24 * HOUR)
    now = time.time()
    assert CodeCache().get(KEY) is not None
    upkeep.sweep(house / "uploads", now)
    assert len(files_beneath(house)) == 5
    upkeep.sweep(house / "uploads", now + 25 * HOUR)
    assert files_beneath(house) == []


# --- a full disk ------------------------------------------------------------------------------


def full(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_is_said_so(tmp_path, monkeypatch):
    from page import gpu

    with pytest.raises(OSError) as error:
        full()
    assert isinstance(explained(error.value), DiskFull) and explained(OSError(errno.ENOENT, "x")) is None
    assert gpu.sentence(error.value) == "The disk is full. Free some space and try again."


def test_a_full_disk_leaves_the_picture_before(tmp_path, monkeypatch):
    path = write(tmp_path / "new.png", clouds(32, 32))
    before = path.read_bytes()
    with monkeypatch.context() as patch, pytest.raises(OSError):
        patch.setattr(os, "replace", full)
        write(path, clouds(64, 64))
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["new.png"]


def test_a_full_disk_only_means_no_cache(tmp_path, monkeypatch):
    cache = CodeCache(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        assert cache.put(KEY, a_code()) is False and cache.get(KEY) is None
    assert list(tmp_path.iterdir()) == []
    assert cache.put(KEY, a_code()) and cache.get(KEY) is not None


def test_a_chain_goes_on_after_a_full_disk(tmp_path, monkeypatch):
    """A step that could not be written leaves the chain as it was, and the next one finds its place free."""
    monkeypatch.setenv("BARBERSHOP_CACHE", str(tmp_path / "cache"))
    from page import visits

    visit = visits.Visit("someone")
    (visit.folder / "original").mkdir(parents=True)
    visit._write({"steps": [], "at": 0, "made": 0, "photo": "photo.png", "face": None, "digest": "", "id": "1"})
    step = {"png": b"png", "pasted_png": b"png", "code": b"code", "changed": np.zeros((2, 2), np.float16)}
    step |= {"scores": {}, "recipe": {}, "notices": []}
    with monkeypatch.context() as patch, pytest.raises(OSError):
        patch.setattr(np, "savez_compressed", full)
        visit.push("first", step)
    assert visit.shown().titles == ["Original"]
    visit.push("second", step)
    assert visit.shown().titles == ["Original", "second"]


@pytest.mark.skipif(sys.platform != "linux" or not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
def test_a_real_full_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", disk], capture_output=True).returncode:
        pytest.skip("tmpfs cannot be mounted here")
    try:
        assert CodeCache(disk / "codes").put(KEY, a_code()) is False
        with pytest.raises(OSError) as error:
            write(disk / "new.png", np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8))
        assert isinstance(explained(error.value), DiskFull)
        assert files_beneath(disk) == []
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


# --- kill -9 ----------------------------------------------------------------------------------

WRITER = """
import sys, torch
from barbershop_core.inversion.cache import CodeCache, cache_key
from barbershop_core.inversion.codes import Code
cache, i = CodeCache(sys.argv[1]), 0
while True:
    value = float(i % 8)
    code = Code("FS", torch.full((1, 4, 16), value), torch.full((1, 64, 32, 32), value))
    cache.put(cache_key(str(i % 8), "p", "FS", None), code)
    print(i, flush=True)
    i += 1
"""


def test_killed_in_mid_write_of_the_cache(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    for _ in range(2):
        call = [sys.executable, "-c", WRITER, str(tmp_path)]
        writer = subprocess.Popen(call, env=environment, stdout=subprocess.PIPE, text=True)
        for line in writer.stdout:
            if int(line) > 20:
                break
        writer.kill()
        writer.wait(60)
    cache = CodeCache(tmp_path)
    for i in range(8):
        code = cache.get(cache_key(str(i), "p", "FS", None))
        assert code is not None and (code.feature == i).all() and (code.w_plus == i).all()
    set_back(tmp_path, 2 * HOUR)
    cache.sweep()
    assert not list(tmp_path.glob("*.partial")) and len(cache) == 8


FETCHER = """
import sys
from pathlib import Path
from barbershop_core import run
from barbershop_core.weights import hub
from barbershop_core.weights.manifest import Network, Source
source = Source("w.bin", "a/b", size=int(sys.argv[1]), sha256=sys.argv[2])
network = Network("generator", "stylegan2", sources=(source,))
found = run(hub.fetch(network, Path(".")), lambda step: print(step.index, flush=True))
print("done", found.path, flush=True)
"""


def test_killed_in_mid_download(tmp_path):
    data = np.random.default_rng(0).bytes(3_000_000)
    with HubServer() as server:
        served = server.add("a/b", "w.bin", data, slow=0.02)
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("BARBERSHOP_", "HF_"))}
        environment |= {"PYTHONPATH": str(ROOT), "HF_ENDPOINT": server.url, "HF_HUB_CACHE": str(tmp_path / "hub")}
        call = [sys.executable, "-c", FETCHER, str(served.size), served.sha256]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        first = subprocess.Popen(call, env=environment, cwd=tmp_path, **pipes)
        for line in first.stdout:
            assert not line.startswith("done")
            if int(line) > 100_000:
                break
        first.kill()
        first.wait(60)
        again = subprocess.run(call, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert again.returncode == 0, again.stderr
    path = Path(again.stdout.rpartition("done ")[2].strip())
    assert path.read_bytes() == data


@pytest.fixture
def pack(tmp_path):
    return add_rig(add_words(write_small_pack(tmp_path / "pack")))


@pytest.mark.slow
def test_killed_in_mid_edit_and_nothing_of_a_face_is_left(tmp_path, pack):
    """A visitor's photo, by the page and the API, on a server that is killed twice; then their time is over."""
    name, photo = "Erika Mustermann 1971.png", saved(clouds(96, 128), "PNG")
    other = saved(Image.fromarray(255 - np.asarray(clouds(96, 128))), "PNG")
    running = App(tmp_path, pack)
    _, path = running.upload(photo, name)
    _, second = running.upload(other, "Max_Muster.png")
    assert running.call("embed", [file(path), "FS", "fast", -1])[0]
    assert running.call("parse", [file(path), -1])[0]
    body = [file(path), file(second), None, None, "", None, "realistic", "paper", 5, 0, -1, None]
    status, said = running.request("/gradio_api/call/transfer_hair", json.dumps({"data": body}).encode())
    assert status == 200
    codes = tmp_path / "cache" / "codes"
    wait_until(lambda: any(codes.glob("*.safetensors")))
    running.kill()  # in the middle of the transfer, or of writing what it found

    again = App(tmp_path, pack)
    assert again.call("align", [file(path), None, -1])[0]  # its file is still there, and the page works
    assert again.call("embed", [file(second), "W+", "fast", -1])[0]
    for code in codes.glob("*.safetensors"):
        assert torch.isfinite(load_file(code)["w_plus"]).all()
    lost = str(Path(path).with_name("Mustermann lost.png"))
    assert not again.call("align", [file(lost), None, -1])[0]
    again.kill()

    for folder in (tmp_path / "gradio", tmp_path / "cache"):
        set_back(folder, 25 * HOUR)
    last = App(tmp_path, pack)
    measured = {tmp_path / "cache" / "times.json"}  # the machine's speed
    wait_until(lambda: set(files_beneath(tmp_path / "gradio", tmp_path / "cache")) <= measured)
    last.close()
    secrets = [photo[60:124], other[60:124], b"Mustermann", b"Max_Muster", path.encode(), second.encode()]
    for left in files_beneath(tmp_path):
        if left.is_relative_to(tmp_path / "pack"):
            continue
        data = left.read_bytes()
        assert not any(secret in data for secret in secrets), left
        assert not any(word in left.name for word in ("Mustermann", "Muster")), left
