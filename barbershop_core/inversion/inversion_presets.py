"""Presets of an inversion: the article's numbers, those of the authors' code, and ours.

Barbershop's article gives 400 iterations for the whole of C_rec; its code runs 1100 for W+ and 250 for F/S.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..options import preset_named


@dataclass(frozen=True)
class InversionPreset:
    """Budget and weights of `embed`.

    name: shown to people and stored in recipes.
    w_steps, w_plus_steps, fs_steps: iterations in W, in W+ (after W where w_steps > 0 or the space
        is "W"), and in F/S.
    lr, feature_lr, style_lr: Adam's learning rates of W and W+, of F, and of S beside F.
    l2, perceptual, p_norm, feature: weights of the pixel loss, LPIPS, the II2S prior and
        |F - F_init|^2 (papers' lambda_F).
    start: "encoder" (where the pack has one) or "mean", the generator's mean W.
    patience, tolerance, ramp: early stop, and share of a stage's iterations in which the learning rate falls;
        see `minimise`.
    """

    name: str
    w_steps: int = 0
    w_plus_steps: int = 1100
    fs_steps: int = 250
    lr: float = 0.01
    feature_lr: float = 0.01
    style_lr: float = 0.01
    l2: float = 1.0
    perceptual: float = 1.0
    p_norm: float = 0.001
    feature: float = 0.1
    start: str = "mean"
    patience: int = 0
    tolerance: float = 0.01
    ramp: float = 0.0

    @property
    def schedule(self) -> dict[str, float]:
        """The arguments of `minimise` that are the same in all stages."""
        return {"ramp": self.ramp, "patience": self.patience, "tolerance": self.tolerance}


# C_rec: 400 iterations in all (article, section 4.1); the split follows the code's 1100 : 250.
PAPER = InversionPreset("paper", w_plus_steps=325, fs_steps=75)

# main.py of ZPdesu/Barbershop: W_steps, FS_steps, learning_rate, percept, l2, p_norm, l_F.
RELEASED = InversionPreset("released")

# Ours: from the encoder's code, few steps with larger, decaying rates reach the same loss.
FAST = InversionPreset(
    "fast",
    w_plus_steps=16,
    fs_steps=60,
    lr=0.03,
    feature_lr=0.08,
    style_lr=0.02,
    l2=4.0,
    perceptual=0.5,
    feature=0.01,
    start="encoder",
    patience=12,
    tolerance=0.01,
    ramp=0.5,
)

PRESETS = {preset.name: preset for preset in (FAST, PAPER, RELEASED)}


def inversion_preset(preset: str | InversionPreset) -> InversionPreset:
    """A preset by name, or itself.  Raises BadRequest for unknown names."""
    return preset_named(PRESETS, preset)
