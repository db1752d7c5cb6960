"""PIE: a portrait embedded for the rig, its head, expression and light then moved by numbers.

Tewari et al., "PIE: Portrait Image Embedding for Semantic Control" (SIGGRAPH Asia 2020), upon
"StyleRig: Rigging StyleGAN for 3D Control over Portrait Images" (CVPR 2020).
"""
