"""The package as ``pip install`` makes it: what it declares, and that it works away from the checkout."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from barbershop_core.weights.manifest import tomllib

ROOT = Path(__file__).resolve().parents[1]
CORE = ROOT / "barbershop_core"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
NAMES = {"PIL": "pillow", "pillow_heif": "pillow-heif", "open_clip": "open_clip_torch"}
NAMES |= {"cv2": "mediapipe", "tomllib": "tomli"}
"""Distributions by what they are imported as, where the two differ; OpenCV comes with MediaPipe."""
OPTIONAL = {"ray", "torch_fidelity"}
"""Used where they happen to be installed."""


def files_of_the_core() -> set[str]:
    """Paths relative to the checkout, without what Python compiles."""
    found = (path for path in CORE.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(ROOT).as_posix() for path in found}


def plain(requirement: str) -> str:
    return requirement.replace(" ", "").replace('"', "'")


def test_requirements_are_the_package_s_and_the_page_s():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    listed = {plain(line) for line in lines if line and not line.startswith("#")}
    declared = {plain(line) for line in PROJECT["project"]["dependencies"]}
    assert {line for line in listed if not line.startswith("gradio[mcp]>")} == declared
    assert listed - declared


def test_ray_is_asked_for_alike_everywhere():
    (line,) = [x for x in (ROOT / "requirements-ray.txt").read_text().splitlines() if not x.startswith("#")]
    assert PROJECT["project"]["optional-dependencies"] == {"ray": [line]}
    assert line in (ROOT / "tests" / "requirements.txt").read_text().splitlines()


def test_constraints_name_a_version_of_everything_that_is_required():
    lines = (ROOT / "tests" / "constraints.txt").read_text().splitlines()
    tested = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert list(tested) == sorted(tested)
    for file in ("requirements.txt", "requirements-ray.txt", "tests/requirements.txt"):
        for line in (ROOT / file).read_text().splitlines():
            if not line or line.startswith("#"):
                continue
            wanted = Requirement(line)
            if wanted.marker is None or wanted.marker.evaluate():
                assert tested[canonicalize_name(wanted.name)] in wanted.specifier, line


def test_every_import_is_declared():
    imported = set()
    for path in CORE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add(node.module.partition(".")[0])
    needed = {NAMES.get(name, name) for name in imported - OPTIONAL - sys.stdlib_module_names | {"tomli"}}
    declared = {plain(line).partition(">")[0] for line in PROJECT["project"]["dependencies"]}
    assert needed | {"lpips", "ftfy"} == declared  # lpips: only its weights are read; ftfy: by open_clip


def test_every_package_is_listed():
    folders = {Path(name).parent for name in files_of_the_core() if name.endswith("/__init__.py")}
    found = {".".join(folder.parts) for folder in folders}
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == found | {"barbershop_core.assets"}


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The unpacked wheel, built of a copy so that nothing is left in the checkout."""
    copy, wheels = tmp_path_factory.mktemp("copy") / "barbershop", tmp_path_factory.mktemp("wheels")
    ignored = shutil.ignore_patterns("__pycache__", ".*", "venv", "build", "*.egg-info", "examples", "tests", "page")
    shutil.copytree(ROOT, copy, ignore=ignored)
    call = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", str(wheels), "."]
    done = subprocess.run(call, cwd=copy, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = wheels.glob("barbershop_core-*.whl")
    target = tmp_path_factory.mktemp("installed")
    zipfile.ZipFile(wheel).extractall(target)
    return target


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_its_packs(installed):
    held = {path.relative_to(installed).as_posix() for path in installed.rglob("*") if path.is_file()}
    assert files_of_the_core() <= held
    packs = {p.relative_to(ROOT).as_posix() for p in (ROOT / "assets" / "packs").rglob("*") if p.is_file()}
    texts = {f"assets/text/{name}" for name in ("imagenet_templates.txt", "prompts.json")}
    files = packs | texts | {"assets/face_motion.safetensors"}
    assets = {f"barbershop_core/{name}" for name in files}
    assert assets <= held
    extra = {name for name in held - assets - files_of_the_core() if ".dist-info/" not in name}
    assert extra == {"barbershop_core/assets/licences.md"}
    (entries,) = installed.glob("*.dist-info/entry_points.txt")
    assert "barbershop = barbershop_core.__main__:main" in entries.read_text()


@pytest.mark.slow
def test_the_installed_package_finds_its_packs(installed, tmp_path):
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("BARBERSHOP_", "HF_"))}
    kept |= {"PYTHONPATH": str(installed), "HF_HUB_OFFLINE": "1"}
    call = [sys.executable, "-m", "barbershop_core", "doctor", "--pack", "studio", "--json"]
    done = subprocess.run(call, cwd=tmp_path, env=kept, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    assert data["ready"] and Path(data["pack"]["manifest"]).is_relative_to(installed)
    assert all(n["checked"] == "sha256" for n in data["networks"] if n["where"] == "embedded")
    templates = "from barbershop_core.weights.assets import templates; print(len(templates()))"
    done = subprocess.run([sys.executable, "-c", templates], cwd=tmp_path, env=kept, capture_output=True)
    assert done.stdout.strip() == b"79"
