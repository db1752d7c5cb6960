"""The portrait world: a small closed world of rendered portraits in which every right answer is known.

``params``          what a portrait is: a vector of named numbers, all standard normal.
``meshes``          head, neck, shoulders and hair as triangle meshes, linear in identity and expression.
``shading``         skin, eyes, lips, hair, cloth and background under spherical-harmonics light.
``render``          all of it together: picture, labels, landmarks, caption, theta.
``morphable_head``  the head as a 3D morphable model, and theta of portraits.
``claims``          what can be said of a portrait, and how true it is.
``captions``        claims put into sentences.
"""
