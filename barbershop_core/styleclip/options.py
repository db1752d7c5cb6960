"""Options of edits by words."""

from __future__ import annotations

from ..errors import BadRequest
from ..options import PRESET, SEED, Option

METHOD = Option(
    "method",
    "directions",
    "directions (at once), optimize (slower, for several attributes) or mapper (trained for one prompt)",
    str,
    ("directions", "optimize", "mapper"),
)
PROMPT = Option("prompt", "", 'what the portrait should show, such as "curly hair"; or the name of a mapper')
NEUTRAL = Option("neutral", "", 'what the prompt is an alternative to, such as "hair" (default: face)')
ALPHA = Option("alpha", 3.0, "strength of a direction", float, low=-10, high=10)
BETA = Option("beta", 0.15, "threshold of a direction: higher moves fewer channels", float, low=0, high=1)
STRENGTH = Option("strength", 1.0, "strength of a mapper; 1 is as trained", float, low=-3, high=3)
LEVEL_NAMES = ("coarse", "medium", "fine")
LEVELS = Option(
    "levels",
    None,
    "rows that a mapper may change: coarse (pose, shapes), medium (features), fine (colours); default: all it maps",
    optional=True,
)
IDENTITY = Option(
    "identity",
    None,
    "weight of staying the same person in optimize (default: the preset's)",
    float,
    low=0,
    high=1,
    optional=True,
)
IDENTITY_OF_PRESET = {"fast": 1.0, "released": 0.0, "paper": 0.005}
ROUTE = Option("route", "W+", "W+ may change shapes; F keeps the detail map and changes colours only", str, ("W+", "F"))
WHERE = Option(
    "where",
    "named",
    "named: only what the words name changes, hair or face; everywhere: whatever the generator changes with it",
    str,
    ("named", "everywhere"),
)
EDITS = Option("edits", None, "directions to stack: target, neutral, alpha and beta of each", optional=True)

EDIT_TEXT = (PROMPT, METHOD, NEUTRAL, ALPHA, BETA, STRENGTH, LEVELS, IDENTITY, ROUTE, EDITS, PRESET, SEED, WHERE)
DIRECTION_SLIDERS = (ROUTE, PRESET, SEED, WHERE)


def check_levels(levels: object) -> tuple[str, ...]:
    """Levels of a mapper that act; None stands for all.  Raises BadRequest for none and for unknown ones."""
    given = LEVEL_NAMES if levels is None else (levels,) if isinstance(levels, str) else tuple(levels)
    if not given or any(level not in LEVEL_NAMES for level in given):
        said = ", ".join(map(str, given)) or "none"
        raise BadRequest(f"A mapper has no levels '{said}'.", f"Choose from: {', '.join(LEVEL_NAMES)}.")
    return given
