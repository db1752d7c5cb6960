"""The endpoints that edit: hair, face swap, words, rig."""

from __future__ import annotations

from typing import Any, Literal

from barbershop_core.barbershop.options import MODE, SMOOTH
from barbershop_core.errors import BadRequest
from barbershop_core.options import PRESET, SEED
from barbershop_core.pie import options as pose
from barbershop_core.styleclip import options as words
from barbershop_core.styleclip.options import ALPHA, BETA, IDENTITY, METHOD, NEUTRAL, ROUTE

from .. import edits as work
from .. import gpu, sessions
from .answers import Answer, Preset, answer, explained, names, photo
from .controls import Directions, Gaze, Levels, Light, Nudge, Photo

PARTS = "pose, expression, light"
MOST_EDITS = 20


@explained
def transfer_hair(
    face: Photo,
    hair_shape: Photo | None = None,
    hair_color: Photo | None = None,
    features_from: Photo | None = None,
    features: str = "",
    mask: Photo | None = None,
    mode: Literal["realistic", "fidelity"] = MODE.default,
    preset: Preset = PRESET.default,
    smooth: float = SMOOTH.default,
    seed: float = SEED.default,
    face_index: float = -1,
    hair_structure: Photo | None = None,
    nudge: Nudge | None = None,
) -> Answer:
    """Give the person in a photo the hair shape, the hair colour or single features of other photos.

    Args:
        face: photo of the person to edit.
        hair_shape: photo whose hair shape to take; leave out to keep the shape.
        hair_color: photo whose hair colour to take; leave out to keep the colour.
        features_from: photo from which the parts in `features` come.
        features: comma-separated parts, out of brows, eyes, nose, mouth, skin, ears, glasses, neck, hair.
        mask: target mask as the `parse` command writes it (colours or numbers), instead of the automatic one.
        mode: realistic or fidelity.
        preset: fast, released or paper.
        smooth: how far borders of the mask are softened, in pixels at 256 px.
        seed: random seed.
        face_index: which face of several, 0 for the largest; -1 takes the largest that can be used.
        hair_structure: photo whose strands and curl to take; leave out to take those of `hair_shape`.
        nudge: moves the crop of `face`: x and y in sides of the crop, turn in degrees, zoom; leave out to keep it.

    Returns:
        the edited portrait as PNG with its recipe inside
        the whole photo with the portrait pasted back, likewise
        scores, recipe and notices as JSON
    """
    given = {"face": photo(face, face_index, nudge), "hair_shape": photo(hair_shape), "hair_color": photo(hair_color)}
    given |= {"extra_a": photo(features_from), "hair_structure": photo(hair_structure)}
    options = {"mode": mode, "preset": preset, "smooth": smooth, "seed": seed, "mask": mask}
    options["regions"] = dict.fromkeys(names(features), "extra_a")
    return answer(work.edit, gpu.Task("transfer", given, options))


@explained
def swap_face(
    face: Photo,
    into: Photo,
    preset: Preset = PRESET.default,
    seed: float = SEED.default,
    face_index: float = -1,
    into_index: float = -1,
    nudge: Nudge | None = None,
) -> Answer:
    """Put the face of one photo into another photo, keeping that photo's hair, light and background.

    Args:
        face: photo of the face.
        into: photo that receives it.
        preset: fast, released or paper.
        seed: random seed.
        face_index: which face of `face`, 0 for the largest; -1 takes the largest that can be used.
        into_index: which face of `into` is replaced, in the same way.
        nudge: moves the crop of `into`: x and y in sides of the crop, turn in degrees, zoom; leave out to keep it.

    Returns:
        the edited portrait as PNG with its recipe inside
        the whole photo `into` with the portrait pasted back, likewise
        scores, recipe and notices as JSON
    """
    given = {"face": photo(face, face_index), "into": photo(into, into_index, nudge)}
    return answer(work.edit, gpu.Task("swap_face", given, {"preset": preset, "seed": seed}))


@explained
def edit_text(
    face: Photo,
    prompt: str,
    method: Literal["directions", "optimize", "mapper"] = METHOD.default,
    neutral: str = NEUTRAL.default,
    alpha: float = ALPHA.default,
    beta: float = BETA.default,
    strength: float = words.STRENGTH.default,
    identity: float | None = IDENTITY.default,
    route: Literal["W+", "F"] = ROUTE.default,
    preset: Preset = PRESET.default,
    seed: float = SEED.default,
    face_index: float = -1,
    levels: Levels | None = None,
    where: Literal["named", "everywhere"] = words.WHERE.default,
    nudge: Nudge | None = None,
) -> Answer:
    """Change a portrait by a text (StyleCLIP).

    Args:
        face: photo of the person to edit.
        prompt: what it should look like, such as "blond hair"; for method mapper, a mapper's name.
        method: directions (quick), optimize (search, slower) or mapper (trained for one prompt each).
        neutral: what the prompt is an alternative to, such as "hair"; may be empty. Not for mapper.
        alpha: directions only: strength, -10 to 10.
        beta: directions only: threshold of relevance, about 0.08 to 0.3; higher moves fewer style channels.
        strength: mapper only: -3 to 3; 1 is as it was trained.
        identity: optimize only: weight of staying the same person, 0 to 1; leave out for the preset's own.
        route: W+ may change shapes; F keeps the portrait's detail map and changes colours only.
        preset: fast, released or paper.
        seed: random seed.
        face_index: which face of several, 0 for the largest; -1 takes the largest that can be used.
        levels: mapper only: what it may change: coarse (pose, shapes), medium (features), fine (colours).
        where: named lets only what the words name change, such as hair; everywhere lets the rest change with it.
        nudge: moves the crop of `face`: x and y in sides of the crop, turn in degrees, zoom; leave out to keep it.

    Returns:
        the edited portrait as PNG with its recipe inside
        the whole photo with the portrait pasted back, likewise
        scores, recipe and notices as JSON
    """
    if method == "mapper" and any(mark in (prompt or "") for mark in "/\\."):
        prompt = "that is given as a file"  # callers get mappers by name, not the server's files
    options = {"prompt": prompt, "method": method, "neutral": neutral, "alpha": alpha, "beta": beta}
    options |= {"strength": strength, "levels": levels, "identity": identity, "route": route}
    options |= {"preset": preset, "seed": seed, "where": where}
    return answer(work.edit, gpu.Task("edit_text", {"face": photo(face, face_index, nudge)}, options))


@explained
def direction_sliders(
    face: Photo,
    edits: Directions,
    route: Literal["W+", "F"] = ROUTE.default,
    preset: Preset = PRESET.default,
    face_index: float = -1,
    where: Literal["named", "everywhere"] = words.WHERE.default,
    nudge: Nudge | None = None,
) -> Answer:
    """Several global directions on one portrait at once, each with its own strength and threshold.

    Args:
        face: photo of the person to edit.
        edits: such as [{"target": "smile", "neutral": "face", "alpha": 3, "beta": 0.15}]; only target is needed.
        route: W+ may change shapes; F keeps the portrait's detail map and changes colours only.
        preset: fast, released or paper.
        face_index: which face of several, 0 for the largest; -1 takes the largest that can be used.
        where: named lets only what the targets name change, such as hair; everywhere lets the rest change with it.
        nudge: moves the crop of `face`: x and y in sides of the crop, turn in degrees, zoom; leave out to keep it.

    Returns:
        the edited portrait as PNG with its recipe inside
        the whole photo with the portrait pasted back, likewise
        scores (with the number of style channels moved), recipe and notices as JSON
    """
    wanted = [_direction(edit) for edit in _listed(edits)]
    given, options = {"face": photo(face, face_index, nudge)}, {"route": route, "preset": preset, "where": where}
    task = gpu.Task("direction_sliders", given, options, key=("api", *given["face"]))
    return answer(sessions.keep_sliders, task, edits=wanted)


def _listed(edits: Any) -> list:
    if not isinstance(edits, list) or not edits:
        raise BadRequest("edits is not a list of directions.", 'Give one such as [{"target": "blond hair"}].')
    if len(edits) > MOST_EDITS:
        raise BadRequest(f"There are {len(edits)} directions.", f"Give {MOST_EDITS} at the most.")
    return edits


def _direction(edit: Any) -> dict[str, Any]:
    if not isinstance(edit, dict) or not str(edit.get("target") or "").strip():
        raise BadRequest("An edit has no target.", 'Give one such as {"target": "blond hair", "alpha": 3}.')
    try:
        numbers = {option.name: float(edit.get(option.name, option.default)) for option in (ALPHA, BETA)}
    except (TypeError, ValueError):
        raise BadRequest("alpha and beta of an edit must be numbers.", "Such as 3 and 0.15.") from None
    texts = {"target": str(edit["target"]).strip(), "neutral": str(edit.get("neutral") or "").strip()}
    return texts | numbers


@explained
def repose(
    face: Photo,
    yaw: float = pose.YAW.default,
    pitch: float = pose.PITCH.default,
    roll: float = pose.ROLL.default,
    expression: str = "",
    strength: float = pose.STRENGTH.default,
    light: Light | None = pose.LIGHT.default,
    like: Photo | None = None,
    copy: str = PARTS,
    preset: Preset = PRESET.default,
    seed: float = SEED.default,
    face_index: float = -1,
    like_index: float = -1,
    gaze: Gaze | None = pose.GAZE.default,
    nudge: Nudge | None = None,
) -> Answer:
    """Turn the head, change the expression or the light of a portrait (PIE).

    Args:
        face: photo of the person to edit.
        yaw: degrees to turn the head by, to the picture's right.
        pitch: degrees to turn the head by, up.
        roll: degrees to turn the head by, clockwise.
        expression: smile, open mouth, raised brows, closed eyes, frown or neutral; empty keeps it.
        strength: of the expression, 0 to 1.5; 1 is its full strength.
        light: a lamp as {"azimuth": degrees to the picture's right, "elevation", "strength", "warmth"}; or none.
        like: photo from which to copy.
        copy: comma-separated, what to copy from `like`: pose, expression, light.
        preset: fast, released or paper.
        seed: random seed.
        face_index: which face of several, 0 for the largest; -1 takes the largest that can be used.
        like_index: which face of `like`, in the same way.
        gaze: degrees by which the eyes turn, "sideways" (-30 to 30) and "up" (-20 to 20); leave out to keep it.
        nudge: moves the crop of `face`: x and y in sides of the crop, turn in degrees, zoom; leave out to keep it.

    Returns:
        the edited portrait as PNG with its recipe inside
        the whole photo with the portrait pasted back, likewise
        scores, recipe and notices as JSON
    """
    given = {"face": photo(face, face_index, nudge), "like": photo(like, like_index)}
    options = {"yaw": yaw, "pitch": pitch, "roll": roll, "strength": strength, "light": light or None}
    options |= {"expression": (expression or "").strip() or None, "copy": names(copy) or None}
    options["gaze"] = gaze or None
    return answer(work.edit, gpu.Task("repose", given, options | {"preset": preset, "seed": seed}))
