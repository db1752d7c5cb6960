"""Presets of an inversion: the article's numbers, those of the authors' code, and ours."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..options import preset_named
from ..protocols import PackLike


@dataclass(frozen=True)
class InversionPreset:
    """Budget and weights of `embed`.

    name: shown to people and stored in recipes.
    w_steps, w_plus_steps, fs_steps: iterations in W, in W+ (after W where w_steps > 0 or the space
        is "W"), and in F/S.
    w_lr, lr, feature_lr, style_lr: Adam's learning rates of W, of W+, of F, and of S beside F.
    l2, perceptual: weights of the pixel loss and LPIPS.
    p_norm, fs_p_norm: weights of the II2S prior in W and W+, and in F/S on all rows.
    feature: weight of |F - F_init|^2 (lambda_F).
    noise: of the pictures that are compared: "registered", the generator's own, or "random", drawn anew in each
        iteration.
    start: "encoder"; "mean", the generator's mean W; or "prior", the centre of the P-norm's space, from which W is
        searched along the axes of that space (`w_lr` in standard deviations).
    without_encoder: the preset for packs without an encoder; None: this one.
    patience, tolerance, ramp: early stop, and share of a stage's iterations in which the learning rate falls;
        see `minimise`.
    """

    name: str
    w_steps: int = 0
    w_plus_steps: int = 1100
    fs_steps: int = 250
    w_lr: float = 0.01
    lr: float = 0.01
    feature_lr: float = 0.01
    style_lr: float = 0.01
    l2: float = 1.0
    perceptual: float = 1.0
    p_norm: float = 0.001
    fs_p_norm: float = 0.0
    feature: float = 0.0
    noise: str = "registered"
    start: str = "mean"
    without_encoder: InversionPreset | None = None
    patience: int = 0
    tolerance: float = 0.01
    ramp: float = 0.0

    @property
    def schedule(self) -> dict[str, float]:
        """The arguments of `minimise` that are the same in all stages."""
        return {"ramp": self.ramp, "patience": self.patience, "tolerance": self.tolerance}

    def on(self, pack: PackLike) -> InversionPreset:
        """The preset for this pack: `without_encoder` where it is given and the pack has none."""
        return self.without_encoder if self.without_encoder and pack.encoder is None else self


# Section 4.1 gives 400 iterations for C_rec, which start from II2S; its own default is 1300 (ZPdesu/II2S, --steps).
# C_rec has no P-norm in the article (section 3.3), and no number for lambda_F; 0.1 is the default of the code, which
# does not use it.  The article does not mention noise.
PAPER = InversionPreset("paper", w_plus_steps=1300, fs_steps=400, feature=0.1)

# main.py and models/Embedding.py of ZPdesu/Barbershop: W_steps, FS_steps, learning_rate, percept_lambda, l2_lambda,
# p_norm_lambda.  The code applies the P-norm in F/S, too, to all rows; and |F - F_init|^2 (l_F_lambda, 0.1) never:
# cal_loss gets no F.  It draws new noise for each picture.  It saves the rows of W+ and S as they were before the
# last iteration, ours are those after it.
RELEASED = InversionPreset("released", fs_p_norm=0.001, noise="random")

# Ours: from the encoder's code, few steps with larger, decaying rates reach the same loss.
_FAST = InversionPreset(
    "fast",
    w_plus_steps=16,
    fs_steps=60,
    w_lr=0.03,
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
# Without an encoder W is searched first, where steps along the prior's axes need half as many as steps in W.  On four
# portraits of the studio pack's world W+ then ends at a loss of 0.021 and an identity of 0.84 (with the encoder 0.023
# and 0.87); the encoder's 16 steps alone end at 0.16 and 0.36 from the mean face.
FAST = replace(_FAST, without_encoder=replace(_FAST, w_steps=40, w_plus_steps=40, w_lr=0.2, start="prior"))

# Ours: the picture of a code from F and S alone (`embed.plain`).  The generator can make this picture, so that
# pixels suffice, and nothing holds F back.
SAME_PICTURE = InversionPreset(
    "same picture", fs_steps=60, feature_lr=0.08, style_lr=0.02, l2=4.0, perceptual=0.0, p_norm=0.0, ramp=0.5
)

PRESETS = {preset.name: preset for preset in (FAST, PAPER, RELEASED)}


def inversion_preset(preset: str | InversionPreset) -> InversionPreset:
    """A preset by name, or itself.  Raises BadRequest for unknown names."""
    return preset_named(PRESETS, preset)
