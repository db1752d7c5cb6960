"""PIE: a portrait is embedded in a rigged generator; then its pose, expression and light are edited.

Tewari et al., "PIE: Portrait Image Embedding for Semantic Control" (SIGGRAPH Asia 2020), which builds on
"StyleRig: Rigging StyleGAN for 3D Control over Portrait Images" (CVPR 2020).
"""
