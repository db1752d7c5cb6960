"""Presets of the embedding for the rig: the article's budget, and ours.

The article's weights are for sums over 1024 px pictures and for VGG-Face features.  Ours are for means, so
they are independent of the resolution; they were chosen on generated portraits, whose codes are known.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..options import preset_named


@dataclass(frozen=True)
class PiePreset:
    """Budget and weights of the energy's terms.

    name: for display and recipes.
    w_steps, w_plus_steps: iterations in W, then in W+.
    optimizer: "adadelta" (article) or "adam".  lr, lr_plus: learning rates in W and in W+.
    ramp: share of the iterations in which the learning rate falls (`inversion.minimise.ramp_down`).
    edit_every: the terms that need RigNet are computed in every n-th iteration.
    side: px at which faces are rendered and compared.
    l2, perceptual: of E_synth.  identity, edit, invariance: of E_identity, E_edit, E_invariance.
    recognition, recognition_edited: of E_recognition, for the code's picture and for the edited one.
    photometric, landmark: within l(I', theta).  p_norm: II2S prior, ours; 0 in the article.
    start: "encoder" (where the pack has none, W is searched as in an inversion) or "mean", the generator's mean W.
    optimize_steps: iterations of an edit without RigNet.
    for_photos: share of the iterations for a photograph whose own pixels are moved: its code only comes along.
    """

    name: str
    w_steps: int = 2000
    w_plus_steps: int = 1000
    optimizer: str = "adadelta"
    lr: float = 2.0
    lr_plus: float = 1.0
    edit_every: int = 1
    side: int = 64
    l2: float = 4.0
    perceptual: float = 0.6
    identity: float = 0.5
    edit: float = 1.0
    invariance: float = 1.0
    recognition: float = 0.3
    recognition_edited: float = 0.3
    photometric: float = 2.0
    landmark: float = 60.0
    p_norm: float = 0.0
    start: str = "mean"
    optimize_steps: int = 300
    ramp: float = 0.3
    for_photos: float = 1.0


PAPER = PiePreset("paper")

# Ours: started from the encoder's code, Adam needs far fewer steps.
FAST = PiePreset(
    "fast",
    w_steps=30,
    w_plus_steps=120,
    optimizer="adam",
    lr=0.03,
    lr_plus=0.02,
    edit_every=3,
    side=48,
    p_norm=0.0005,
    start="encoder",
    optimize_steps=50,
    for_photos=0.2,
)

PRESETS = {preset.name: preset for preset in (FAST, PAPER)}


def pie_preset(preset: str | PiePreset) -> PiePreset:
    """A preset by name; a preset is returned as it is.

    "released" is the paper's, because no code was released.  Raises BadRequest for unknown names.
    """
    released = isinstance(preset, str) and preset.strip().lower() == "released"
    return preset_named(PRESETS, "paper" if released else preset)
