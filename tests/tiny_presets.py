"""Presets of a few steps, and the command line with them: ``python tiny_presets.py hair me.png ...``.

Worker processes that the command starts import this file again.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from barbershop_core.barbershop import transfer_presets  # noqa: E402 - found by the line above
from barbershop_core.inversion import inversion_presets  # noqa: E402
from barbershop_core.pie import pie_presets  # noqa: E402


def few_steps(
    preset: transfer_presets.TransferPreset, name: str, w_plus_steps: int = 2, fs_steps: int = 2, **more
) -> transfer_presets.TransferPreset:
    """A preset with two steps a stage, so many of the embedding, and more that is other."""
    inversion = replace(preset.inversion, w_plus_steps=w_plus_steps, fs_steps=fs_steps)
    return replace(preset, name=name, align_steps=2, blend_steps=2, inversion=inversion, **more)


TINY = few_steps(transfer_presets.FAST, "tiny", pose_steps=2, side=64)
PUBLISHED_TINY = few_steps(transfer_presets.RELEASED, "published tiny", mask_steps=2, align_style_steps=2, side=64)
TINY_PIE = replace(pie_presets.FAST, name="fast", w_steps=2, w_plus_steps=2, optimize_steps=2)


def fast_is_tiny(patch: pytest.MonkeyPatch, search: bool = True) -> None:
    """Let the preset "fast" mean a few steps.  search: also of latent optimization, which imports PyTorch."""
    patch.setitem(transfer_presets.PRESETS, "fast", replace(TINY, name="fast"))
    patch.setitem(inversion_presets.PRESETS, "fast", replace(TINY.inversion, name="fast"))
    patch.setitem(pie_presets.PRESETS, "fast", TINY_PIE)
    if search:
        from barbershop_core.styleclip import latent_optimization

        few = replace(latent_optimization.FAST, steps=3)
        patch.setitem(latent_optimization.PRESETS, "fast", few)


if __name__ in ("__main__", "__mp_main__"):
    fast_is_tiny(pytest.MonkeyPatch())
if __name__ == "__main__":
    from barbershop_core.__main__ import main

    sys.exit(main(sys.argv[1:]))
