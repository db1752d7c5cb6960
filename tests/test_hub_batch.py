"""The script of Hugging Face Jobs: its metadata, and a run against local folders in place of dataset and bucket."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import environment, picture
from patience import until
from small_pack import write_small_pack

from barbershop_core.weights.manifest import tomllib

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "scripts" / "hub_batch.py"
sys.path.insert(0, str(SCRIPT.parent))

from hub_batch import copy_finished, take_up  # noqa: E402

JOBS = "operation,face\nparse,anna.png\nparse,bob.png\nparse,broken.png\n"


@pytest.fixture
def place(tmp_path) -> Path:
    """A folder with a pack, the photos and the job file, in which results are to appear."""
    write_small_pack(tmp_path / "pack")
    (tmp_path / "photos").mkdir()
    for seed, name in enumerate(("anna", "bob", "cleo")):
        picture(tmp_path / "photos" / f"{name}.png", seed)
    (tmp_path / "photos" / "broken.png").write_bytes(b"no photo")
    (tmp_path / "photos" / "jobs.csv").write_text(JOBS)
    return tmp_path


def command(place: Path, *more: str) -> list[str]:
    files = [str(place / "photos" / "jobs.csv"), "--out", str(place / "results")]
    return [sys.executable, str(SCRIPT), *files, "--code", str(ROOT), "--every", "0.1", *more]


def start(place: Path, *more: str) -> subprocess.CompletedProcess:
    kept = environment(place)
    del kept["PYTHONPATH"]  # --code has to be enough
    return subprocess.run(command(place, *more), env=kept, capture_output=True, text=True, cwd=place, timeout=600)


def lines(place: Path) -> list[dict]:
    return [json.loads(line) for line in (place / "results" / "manifest.jsonl").read_text().splitlines()]


def test_metadata_name_what_the_package_needs():
    (block,) = re.findall(r"(?m)^# /// script\n((?:#(?: .*)?\n)+?)# ///$", SCRIPT.read_text())
    metadata = tomllib.loads("".join(line[2:] for line in block.splitlines(keepends=True)))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert metadata["dependencies"] == project["dependencies"]
    assert metadata["requires-python"] == project["requires-python"]


def test_results_arrive_and_another_run_goes_on(place):
    first = start(place)
    assert first.returncode == 1, first.stderr  # one photo is broken
    found = lines(place)
    assert len(found) == 3 and sum("error" in line for line in found) == 1
    files = {name for line in found for name in line.get("files", {}).values()}
    there = {path.name: path.stat().st_mtime_ns for path in (place / "results").iterdir()}
    assert set(there) == files | {"manifest.jsonl"}

    with open(place / "photos" / "jobs.csv", "a") as file:
        file.write("parse,cleo.png\n")
    assert start(place, "--workers", "2").returncode == 1
    now = {path.name: path.stat().st_mtime_ns for path in (place / "results").iterdir()}
    assert len(lines(place)) == 4 and len(now) == len(there) + 2
    assert all(now[name] == there[name] for name in files)  # not made again, nor copied again


def test_what_a_stopped_job_had_finished_is_there(place):
    names = [f"{seed}.png" for seed in range(200)]
    for seed, name in enumerate(names):
        picture(place / "photos" / name, seed)
    (place / "photos" / "jobs.csv").write_text("operation,face\n" + "".join(f"parse,{name}\n" for name in names))
    process = subprocess.Popen(command(place), env=environment(place), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    until(lambda: (place / "results" / "manifest.jsonl").exists() and len(lines(place)) >= 2)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=120)
    assert process.returncode == 130
    found = lines(place)
    assert 2 <= len(found) < 200
    assert all((place / "results" / name).is_file() for line in found for name in line["files"].values())


def test_the_manifest_is_copied_last_and_whole(tmp_path):
    work, out = tmp_path / "work", tmp_path / "out"
    work.mkdir(), out.mkdir()
    (work / "1.png").write_bytes(b"one")
    (work / ".2.png.partial").write_bytes(b"tw")
    (work / "manifest.jsonl").write_bytes(b'{"key": 1}\n{"ke')
    copy_finished(work, out)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == {
        "1.png": b"one",
        "manifest.jsonl": b'{"key": 1}\n',
    }
    later = tmp_path / "later"
    later.mkdir()
    take_up(out, later)
    assert (later / "1.png").read_bytes() == b"one" and (later / "manifest.jsonl").read_bytes() == b'{"key": 1}\n'
    os.replace(work / "1.png", later / "1.png")  # made again: no longer a link to the result
    (later / "1.png").write_bytes(b"other")
    copy_finished(later, out)
    assert (out / "1.png").read_bytes() == b"other"
