"""The numbers of a transfer: the article's, the authors' code's, and ours."""

from __future__ import annotations

from dataclasses import dataclass

from ..inversion import inversion_presets
from ..inversion.inversion_presets import InversionPreset
from ..options import preset_named


@dataclass(frozen=True)
class TransferPreset:
    """Budgets and weights of the steps after the embedding.

    name: shown to people and stored in recipes.
    inversion: the preset of the embedding.
    mask_steps: iterations of each of the two runs in which the generator completes the target mask (`published_mask`);
        0: unknown areas take the nearest regions.
    pose_steps: iterations in which a reference's head is turned to the person's pose (`turn`); 0: heads are
        not turned, as published.
    align_steps, align_style_steps: iterations of w_align of the person, and of each other reference, whose loss has the
        style as well.
    blend_steps: iterations of the appearance's weights u.
    mask_lr, pose_lr, align_lr, blend_lr: learning rates of Adam.
    cross_entropy, style, keep: weights of the parse's loss against the target mask, of the masked Gram
        matrices, and (ours) of the distance to the reference's own pixels where they are kept.
    distance: weight of the mean square of the whitened offset that turns a head.
    face_change: how much the person's face may change when its code takes on hair, see `hair_code`.
    colour: weight of the region's colour statistics beside masked LPIPS in the blending (ours), since hair
        of another shape has few pixels in common with the reference's.
    own_shape: whether u is sought in a picture in which regions have the shape of the photo whose colours they take.
    published: portraits stay where they are, and each is aligned to a mask of the parser's classes
        (`published_mask`, `published_align`).  Otherwise (ours) they are brought into the person's frame
        (`reference`) and only the person is aligned, if at all: a reference in the person's frame already agrees
        with the mask that was made from it.
    style_of_person: whether the person's alignment has the style loss, too.
    released_mix: whether F_rec and F_align are mixed as in the code (`published_align.mixed_feature`) or as in the
        article (`blend.blend_structure`).
    carry: whether photographs that the pack's code does not explain are carried instead of generated (ours), see
        `photo_transfer`.
    side: px at which the losses of pose, alignment and blending are computed; portraits are parsed at the parser's own
        size (512 px), and published alignments take their losses there.
    patience, tolerance, ramp: see `inversion.minimise`.
    """

    name: str
    inversion: InversionPreset
    mask_steps: int = 80
    pose_steps: int = 0
    align_steps: int = 140
    align_style_steps: int = 100
    blend_steps: int = 400
    mask_lr: float = 0.01
    pose_lr: float = 0.05
    align_lr: float = 0.01
    blend_lr: float = 0.01
    cross_entropy: float = 1.0
    style: float = 4e4
    keep: float = 0.0
    distance: float = 2e-3
    face_change: float = 0.1
    colour: float = 0.0
    own_shape: bool = False
    published: bool = True
    style_of_person: bool = False
    released_mix: bool = True
    carry: bool = False
    side: int = 256
    patience: int = 0
    tolerance: float = 0.01
    ramp: float = 0.0

    @property
    def schedule(self) -> dict[str, float]:
        """The arguments of `minimise` that are the same in all stages."""
        return {"ramp": self.ramp, "patience": self.patience, "tolerance": self.tolerance}


# Sections 3.2 to 3.6, with the numbers of 4.1: 400 iterations for C_rec, 100 for w_align, 600 for u.  Where article
# and code differ: the article fills unknown areas of M with the nearest regions; gives every image's alignment, the
# person's too, both losses; takes F_rec where a region of the image and M agree; and compares colours in the picture
# of F_blend where M and the reference both have the region.  As in the code: the style is that of the picture of
# w_rec, and of the rows that make F all but one are optimized.
PAPER = TransferPreset(
    "paper",
    inversion_presets.PAPER,
    mask_steps=0,
    align_steps=100,
    align_style_steps=100,
    blend_steps=600,
    style_of_person=True,
    released_mix=False,
)

# main.py of ZPdesu/Barbershop: target mask 80 + 80 from the mean code, align_steps1 140 (the person, cross-entropy
# only), align_steps2 100 (with style), blend_steps 400, learning_rate 0.01, style_lambda 4e4, ce_lambda 1.
# models/Blending.py finds u in a picture of the person with the hair shape of the colour's photo, aligned like any
# other, and then takes F of the shape's photo.  Ours differs in that noise stays the same in all steps, where the code
# draws it anew; that a painted M is known in regions, not in classes; that S is of the last u, not of the one before;
# and that there may be several regions and references: u of several is divided by its sum where that exceeds 1.
RELEASED = TransferPreset("released", inversion_presets.RELEASED, own_shape=True)

FAST = TransferPreset(
    "fast",
    inversion_presets.FAST,
    mask_steps=0,
    pose_steps=25,
    align_steps=30,
    align_style_steps=0,
    blend_steps=30,
    pose_lr=0.1,
    align_lr=0.05,
    blend_lr=0.2,
    keep=2.0,
    colour=4.0,
    published=False,
    carry=True,
    side=128,
    patience=8,
    tolerance=0.01,
    ramp=0.5,
)

PRESETS = {preset.name: preset for preset in (FAST, PAPER, RELEASED)}


def transfer_preset(preset: str | TransferPreset) -> TransferPreset:
    """A preset by name, or itself.  Raises BadRequest for unknown names."""
    return preset_named(PRESETS, preset)
