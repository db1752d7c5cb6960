"""The numbers of an embedding for the rig: the article's budget, and ours.

The article's weights belong to sums over 1024 px pictures and to VGG-Face features; the ones here belong to
means, so that they mean the same at any size, and were set on generated portraits whose code is known.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import BadRequest


@dataclass(frozen=True)
class PiePreset:
    """name: for people and recipes.
    w_steps, w_plus_steps: iterations with one row for all layers, then with a row for each.
    optimizer: "adadelta" (article) or "adam".  lr: in W;  lr_plus: in W+.
    edit_every: the terms that need an edited picture are taken in every so-manieth step.
    side: px at which faces are drawn and compared.
    l2, perceptual: of E_synth.  identity, edit, invariance: of E_identity, E_edit, E_invariance.
    recognition, recognition_edited: of E_recognition, for the code's picture and for the edited one.
    photometric, landmark: inside of l(I', theta).  p_norm: II2S prior, ours; 0 in the article.
    start: "encoder" where the pack has one, or "mean".  optimize_steps: of an edit without RigNet.
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


PAPER = PiePreset("paper")

# Ours: the encoder's guess is most of the way, and Adam reaches the same energy in a tenth of the steps.
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
)

PRESETS = {preset.name: preset for preset in (FAST, PAPER)}


def pie_preset(preset: str | PiePreset) -> PiePreset:
    """A preset by name, or itself; "released" is the paper's, as nothing was released.

    Raises BadRequest for unknown names.
    """
    if isinstance(preset, PiePreset):
        return preset
    name = str(preset).strip().lower()
    found = PRESETS.get("paper" if name == "released" else name)
    if found is None:
        raise BadRequest(f"There is no preset '{preset}'.", f"Choose one of: {', '.join(PRESETS)}.")
    return found
