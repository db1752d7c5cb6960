"""Edits one after the other: each goes on from the code and the picture that the last one left.

What is pasted into is always the person's own photo, so the masks of all edits are joined; the recipe
keeps every step (`recipe.steps`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .. import photo
from ..errors import BadRequest
from ..inversion import embed
from ..inversion.codes import Code
from ..inversion.inversion_presets import InversionPreset
from ..networks.arcface import identity_embedding
from ..photo import Portrait
from ..photo.paste import change_mask, feathered
from ..photo.pixels import to_uint8
from ..progress import Step, Steps
from ..stages import StageTimer
from . import recipe
from .composite import keep_pixels
from .result import Result

FOREIGN = 21.0
"""dB: a person whose code is this far from the photo lies outside of what the pack has learnt."""


@dataclass(frozen=True)
class Start:
    """Where an edit begins.

    portrait: the person, in whose photo the result goes.  image: [1,3,R,R] in [-1,1], the crop so far.
    code: of that crop.  generated: [1,3,R,R], the code's own image, clamped.
    previous: the result gone on from.
    """

    portrait: Portrait
    image: Tensor
    code: Code
    generated: Tensor
    previous: Result | None


def check(previous: Any, pack) -> None:
    """Raises BadRequest where ``previous`` is no result of this pack."""
    if previous is None:
        return
    if not isinstance(previous, Result):
        raise BadRequest("What was given as the previous edit is no result.", "Give what an edit returned.")
    code, g = previous.code, pack.generator
    if previous.image.width != pack.working_size or code.w_plus.shape[1:] != (g.n_latent, g.style_dim):
        raise BadRequest(
            "The previous edit was made with another pack.", "Go on with the pack it was made with."
        )


def picture(previous: Result, pack) -> Tensor:
    """The crop that a result shows, [1,3,R,R] in [-1,1] on the pack's device."""
    pixels = np.asarray(previous.image.convert("RGB"))
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].to(pack.device).float() / 127.5 - 1


def plain_code(pack, previous: Result, preset: InversionPreset) -> Steps[Code]:
    """A result's code as F and rows of W+ alone.

    Where an edit in StyleSpace shifted styles beyond what W+ can say, the picture is embedded anew.
    """
    code = previous.code.to(pack.device)
    if code.shift is not None:
        return (yield from embed(pack, picture(previous, pack), "FS", preset))[0]
    if code.space != "FS":
        with torch.no_grad():
            code = Code("FS", code.w_plus, pack.generator.features(code.w_plus))
    return code


def begin(
    studio, portrait: Portrait, previous: Result | None, preset: InversionPreset, plain: bool = False
) -> Steps[Start]:
    """The person's F/S code: of the photo, or as ``previous`` left it (then at once).

    plain: the code is to be F and W+ alone, see `plain_code`.
    """
    pack = studio.pack
    yield from pack.download()
    if previous is None:
        image = portrait.tensor(pack.working_size, pack.device)
        code = (yield from studio.codes([portrait], "FS", preset))[0]
    else:
        image, code = picture(previous, pack), previous.code.to(pack.device)
        if plain or code.space != "FS":
            code = yield from plain_code(pack, previous, preset)
    with torch.no_grad():
        generated = code.synthesis(pack.generator, pack.working_size).clamp(-1, 1)
    return Start(portrait, image, code, generated, previous)


def with_earlier(changed: np.ndarray, previous: Result | None) -> np.ndarray:
    """A mask of changes [R,R] joined with that of the edits before."""
    earlier = None if previous is None else previous.masks.get("changed")
    return changed if earlier is None else np.maximum(changed, earlier)


@torch.no_grad()
def compose(start: Start, made: Tensor, changed: np.ndarray | None = None) -> tuple[Tensor, np.ndarray]:
    """The crop with the generator's picture [1,3,R,R] where it differs from before, and where that is.

    changed: float32 [R,R] in 0..1, instead of the difference.  Returns [1,3,R,R] in [-1,1] and the mask.
    """
    if changed is None:
        before, after = (to_uint8(x)[0].numpy() for x in (start.generated, made))
        changed = feathered(change_mask(before, after)).astype(np.float32)
    mask = torch.from_numpy(changed).to(made.device)
    return keep_pixels(start.image, made, mask, torch.zeros_like(mask)).clamp(-1, 1), changed


def finish(
    pack,
    start: Start,
    code: Code,
    operation: str,
    settings: Mapping[str, Any],
    preset: str,
    seed: int,
    watch: StageTimer,
    scores: Mapping[str, Any] | None = None,
    notices: tuple[str, ...] = (),
    paste: bool = True,
    changed: np.ndarray | None = None,
    inputs: Mapping[str, Portrait] | None = None,
) -> Steps[Result]:
    """An edited code as a result: kept pixels, pasting, scores, recipe.

    changed: float32 [R,R] in 0..1, where the generator's picture counts; None finds it from the difference
        between the code's picture before and after.  inputs: other portraits by role, for the recipe.
    Yields the stage "paste back".
    """
    with watch.stage("render"), torch.no_grad():
        made = code.synthesis(pack.generator, pack.working_size).clamp(-1, 1)
        image, changed = compose(start, made, changed)
    pixels, changed = to_uint8(image)[0].numpy(), with_earlier(changed, start.previous)
    pasted = None
    if paste:
        with watch.stage("paste back"):
            pasted = Image.fromarray(photo.paste_back(start.portrait, pixels, changed))
    yield Step("paste back", 1, 1, preview=lambda: pixels)
    with watch.stage("scores"), torch.no_grad():
        a, b = (identity_embedding(pack.identity, x) for x in (start.image, image))
        identity = round(float((a * b).sum()), 4)
    digests = {"face": start.portrait.digest} | {k: p.digest for k, p in (inputs or {}).items()}
    earlier = None if start.previous is None else start.previous.recipe
    written = recipe.make(operation, dict(settings), digests, pack, preset, seed, earlier)
    return Result(
        Image.fromarray(pixels),
        pasted,
        code.to("cpu"),
        {"changed": changed},
        {"identity": identity, **(scores or {}), "losses": watch.losses, "seconds": watch.seconds},
        written,
        (*start.portrait.notices, *notices),
    )


def with_request(result: Result, request: Mapping[str, Any]) -> Result:
    """The result whose recipe also says, under "request", how to ask for it again."""
    return replace(result, recipe={**result.recipe, "request": dict(request)})
