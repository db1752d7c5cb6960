"""Barbershop (Zhu et al. 2021): hair and other regions of several photos in one portrait.

`transfer` is the whole edit, `compose` its steps in order: the target mask (section 3.2), alignment (3.4) and `blend`
(3.5 and 3.6).  The embedding (3.3) is `inversion.embed`.  Mask and alignment are `published_mask` and `published_align`
in the presets PAPER and RELEASED, `target_mask` and `align` in FAST, which also brings references into the person's
frame (ours): `reference`, with `geometry`, `turn` and `hair_code`.
"""
