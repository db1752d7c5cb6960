"""The portrait world: a small closed world of portraits in which every right answer is known.

``params``   what a portrait is: a vector of named numbers, all standard normal.
``meshes``   head, neck, shoulders and hair as triangle meshes, linear in identity and expression.
``raster``   z-buffer rasterization of those meshes.
``shading``  skin, eyes, lips, hair, cloth and background under spherical-harmonics light.
``render``   all of it together: picture, labels, landmarks, caption, theta.
"""
