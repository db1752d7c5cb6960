"""What a process asks of its system: threads that sleep while they wait, and memory that goes back.

The threads of PyTorch's OpenMP spin between two parallel loops: quick where each has a core to itself, but beside
another busy process, or another visitor's edit, they take the cores from the thread that they wait for.  Measured on
two cores, seconds of one hair transfer alone and beside a process with two busy threads: 8.2 and 34 to 42 as PyTorch
comes, 9.7 and 17.5 with 1000 rounds of spinning, 12 and 12 without any.  Beside some twenty busy processes a loop of
small convolutions took 108 s (19 s of CPU time) as PyTorch comes, 7 s (1.4 s) with 1000 rounds.
"""

from __future__ import annotations

import ctypes
import os
import sys

SETTINGS = {
    "GOMP_SPINCOUNT": "1000",  # rounds; GNU's OpenMP, which PyTorch's wheels for Linux bring
    "KMP_BLOCKTIME": "1",  # milliseconds; LLVM's and Intel's, on macOS and Windows
}


def spin_briefly() -> None:
    """Let waiting threads sleep soon, unless the environment says otherwise.

    To be called where a process starts: OpenMP reads its settings once, when PyTorch is imported.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        for name, value in SETTINGS.items():
            os.environ.setdefault(name, value)


def give_back() -> None:
    """Return freed memory to the system.

    GNU's C library keeps what threads have freed for each of them, hundreds of MB after some edits in a server's many
    threads; elsewhere nothing needs to be done.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
        if trim is not None:
            trim(0)
