"""Runs the command line as people do: as a process of its own, on a small pack."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]


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


def cli(desk: Path, *arguments, **more) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "barbershop_core", *map(str, arguments)],
        cwd=desk,
        env=environment(desk, **more),
        capture_output=True,
        text=True,
        timeout=600,
    )
