"""Runs the command line on a small pack, each command in a process of its own."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
SERVER = """
import importlib, json, os, sys, traceback
import barbershop_core.studio
import pytest
from tiny_presets import fast_is_tiny
from barbershop_core.__main__ import main
from barbershop_core.operations import OPERATIONS

for operation in OPERATIONS.values():
    importlib.import_module("barbershop_core." + operation.work.partition(":")[0])
for line in sys.stdin:
    folder, environment, arguments, streams, tiny = json.loads(line)
    child = os.fork()
    if not child:
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        for number, path in enumerate(streams, 1):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        try:
            if tiny:
                fast_is_tiny(pytest.MonkeyPatch())
            code = main(arguments)
        except SystemExit as end:
            code = end.code
        except BaseException:
            traceback.print_exc()
            code = 1
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code or 0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
"""Imports PyTorch once and forks for each command."""
TESTS = ROOT / "tests"
TINY_COMMAND = [sys.executable, str(TESTS / "tiny_presets.py")]
"""A command of its own, in place of ``python -m barbershop_core``, whose preset "fast" means a few steps."""


def picture(path: Path, seed: int, size=(96, 128)) -> Path:
    """A smooth random picture: no face is needed where there is no landmark file."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    Image.fromarray(noise).resize(size, Image.BICUBIC).save(path)
    return path


def environment(desk: Path, **more) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("BARBERSHOP_", "HF_"))}
    kept |= {"PYTHONPATH": str(ROOT), "BARBERSHOP_PACK": str(desk / "pack" / "pack.toml")}
    kept |= {"BARBERSHOP_CACHE": str(desk / "cache"), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    return kept | more


@cache
def _server() -> subprocess.Popen:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    found = environment(Path(), PYTHONPATH=f"{ROOT}{os.pathsep}{TESTS}")
    server = subprocess.Popen([sys.executable, "-c", SERVER], env=found, **pipes)
    atexit.register(server.communicate)  # closes its input, which ends it
    return server


def cli(desk: Path, *arguments, tiny: bool = True, **more) -> subprocess.CompletedProcess:
    """A command in the folder ``desk``, with more variables of the environment.

    tiny: the preset "fast" means a few steps, but not in other processes that the command starts.
    """
    server, arguments = _server(), [str(argument) for argument in arguments]
    with tempfile.TemporaryDirectory() as folder:
        streams = [os.path.join(folder, name) for name in ("out", "err")]
        request = [str(desk), environment(desk, **more), arguments, streams, tiny]
        print(json.dumps(request), file=server.stdin, flush=True)
        code = int(server.stdout.readline())
        out, err = (Path(path).read_bytes().decode() for path in streams)
    return subprocess.CompletedProcess(arguments, code, out, err)
