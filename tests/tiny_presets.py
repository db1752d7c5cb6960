"""The command line with presets of a few steps; its worker processes import this file again."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


def install() -> None:
    """Let the preset "fast" mean a few steps in this process."""
    from small_rigged import TINY_PIE
    from small_studio import fast_is_tiny

    from barbershop_core.pie import pie_presets

    patch = pytest.MonkeyPatch()
    fast_is_tiny(patch)
    patch.setitem(pie_presets.PRESETS, "fast", TINY_PIE)


if __name__ in ("__main__", "__mp_main__"):
    install()
if __name__ == "__main__":
    from barbershop_core.__main__ import main

    sys.exit(main(sys.argv[1:]))
