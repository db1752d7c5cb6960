"""``python app.py`` with presets of a few steps."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
from tiny_presets import fast_is_tiny

if __name__ == "__main__":
    fast_is_tiny(pytest.MonkeyPatch(), search=False)  # PyTorch is imported when the page does it
    runpy.run_path(str(Path(__file__).resolve().parents[1] / "app.py"), run_name="__main__")
