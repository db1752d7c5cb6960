"""Places and features of a face by MediaPipe's points."""

SURFACE = tuple(range(468))
"""The skin; the ten points after it are the irises."""
FOREHEAD, NOSE_BASE, LOWER_LIP, CHIN = 10, 2, 14, 152
EARS = (234, 454)
"""Where the outline meets the ears: the picture's left, then its right."""
EYE_CORNERS = (33, 263)
"""The outer ones, likewise."""
MIDLINE = (10, 151, 168, 1, 152)
"""Between the face's halves, from the forehead to the chin."""
OVAL = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
"""The outline, clockwise from the forehead."""
UPPER_OVAL, LOWER_OVAL = OVAL[8::-1] + OVAL[:27:-1], OVAL[27:8:-1]
"""Its parts over the forehead, ear to ear, and under the chin; both anticlockwise."""
LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
INNER_LIPS = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191)
EYES = (
    (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246),
    (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466),
)
BROWS = ((70, 63, 105, 66, 107, 55, 65, 52, 53, 46), (300, 293, 334, 296, 336, 285, 295, 282, 283, 276))
NOSE = (193, 122, 129, 102, 64, 48, 98, 97, 2, 326, 327, 278, 294, 331, 358, 351, 417, 168)
"""Points of MediaPipe's mesh around each feature; eyes and brows: the picture's left, then its right."""

FEATURES: dict[str, tuple[tuple[int, ...], ...]] = {"eyes": EYES, "brows": BROWS, "nose": (NOSE,), "mouth": (LIPS,)}
