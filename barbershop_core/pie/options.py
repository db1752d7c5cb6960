"""Options of edits by the rig: head pose, expression and light."""

from __future__ import annotations

from ..options import PRESET, SEED, Option

YAW = Option("yaw", 0.0, "degrees to turn the head by, to the picture's right", float, low=-50, high=50, unit="degrees")
PITCH = Option("pitch", 0.0, "degrees to turn the head by, up", float, low=-30, high=30, unit="degrees")
ROLL = Option("roll", 0.0, "degrees to turn the head by, clockwise", float, low=-20, high=20, unit="degrees")
ANGLES = (YAW, PITCH, ROLL)
EXPRESSIONS = ("smile", "open mouth", "raised brows", "closed eyes", "frown", "neutral")
EXPRESSION = Option(
    "expression",
    None,
    f"{', '.join(EXPRESSIONS[:-1])} or {EXPRESSIONS[-1]}; or amounts by the face model's controls",
    optional=True,
)
STRENGTH = Option("strength", 1.0, "strength of a named expression", float, low=0, high=1.5)
LIGHT = Option("light", None, "azimuth and elevation in degrees, strength, warmth of a lamp", optional=True)
AZIMUTH = Option("azimuth", 0.0, "degrees, to the picture's right", float, low=-75, high=75, unit="degrees")
ELEVATION = Option("elevation", 25.0, "degrees, upwards", float, low=-15, high=75, unit="degrees")
LAMP = Option("strength", 1.0, "of the lamp against the soft fill", float, low=0.5, high=1.5)
WARMTH = Option("warmth", 0.0, "from cool (below 0) to warm", float, low=-1.5, high=1.5)
LIGHT_PARTS = (AZIMUTH, ELEVATION, LAMP, WARMTH)
COPY = Option("copy", None, "what to copy from the other photo: pose, expression, light", optional=True)
METHOD = Option(
    "method",
    None,
    "rig (RigNet; the default where the pack has one) or optimize (latent optimization)",
    str,
    ("rig", "optimize"),
    optional=True,
)

SWEEP = Option("sweep", "yaw", "what an animation moves", str, ("yaw", "light"))
FRAMES = Option("frames", 24, "number of frames of an animation", int, low=2, high=240)

SIDEWAYS = Option(
    "sideways", 0.0, "degrees to turn the eyes by, to the picture's right", float, low=-30, high=30, unit="degrees"
)
UP = Option("up", 0.0, "degrees to turn the eyes by, up", float, low=-20, high=20, unit="degrees")
GAZE_PARTS = (SIDEWAYS, UP)
GAZE = Option("gaze", None, "where the eyes look: degrees sideways and up from where they look now", optional=True)

POSE = (*ANGLES, EXPRESSION, STRENGTH, LIGHT, GAZE)
REPOSE = (*POSE, COPY, METHOD, PRESET, SEED)
RIG = (PRESET, SEED)
