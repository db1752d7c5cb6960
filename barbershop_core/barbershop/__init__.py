"""Barbershop (Zhu et al. 2021): hair and other regions of several photos in one portrait.

`transfer` is the whole edit, `compose` its steps in order: `target_mask` (section 3.2), `align` (3.4) and
`blend` (3.5 and 3.6).  The embedding (3.3) is `inversion.embed`.  For heads in different poses (ours):
`reference`, with `geometry`, `turn` and `hair_code`.
"""
