"""StyleCLIP: text-driven manipulation of StyleGAN imagery (Patashnik et al., ICCV 2021), a file a method."""

ALPHA, BETA = 3.0, 0.15
"""A direction's usual strength and threshold, as they are scored: a clear change without caricature."""
