"""Bringing a reference into the person's frame, before its regions are cut out.

Ours (FAST): portraits are moved by a similarity, and heads that look in another direction are turned or, where only
hair is wanted, replaced by the person with that hair.  Barbershop takes aligned portraits as they are.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import Tensor

from ..editing.regions import parse
from ..inversion.codes import Code
from ..progress import Steps
from ..protocols import PackLike
from .geometry import residual, similarity, warp, warp_labels
from .hair_code import code_with_hair
from .transfer_presets import TransferPreset
from .turn import turn

TURNED = 0.02
"""Distance of parts of two faces after the best similarity, as a share of the image's side, above which one
head is turned relative to the other."""


@dataclass(frozen=True)
class Reference:
    """A photo that goes into a composite.

    image: [1,3,R,R] in [-1,1].  labels: long [R,R].  code: "FS", or "W+" where the reference is turned; None where only
    its outlines are used.
    """

    image: Tensor
    labels: Tensor
    code: Code | None


@dataclass(frozen=True)
class Generated:
    """A code w_plus [1,L,D], its feature map F, its image [1,3,R,R] and the image's labels, long [R,R]."""

    w_plus: Tensor
    feature: Tensor
    image: Tensor
    labels: Tensor


@dataclass(frozen=True)
class AlignedReference:
    """A reference in the person's frame.

    reference: the photo as it was.  image: [1,3,R,R].  labels: long [R,R].  feature: F.  w_plus: [1,L,D], the
    code from which an alignment starts.  with_hair: the person with this reference's hair, where that is all
    that it gives.
    """

    reference: Reference
    image: Tensor
    labels: Tensor
    feature: Tensor | None
    w_plus: Tensor | None
    with_hair: Generated | None = None


def is_turned(labels: Tensor, person: Tensor, preset: TransferPreset) -> bool:
    """Whether a reference that gives shape has to be turned, so that its own F is of no use."""
    return bool(preset.pose_steps) and residual(labels, person) > TURNED


def to_person(
    pack: PackLike, person: Reference, reference: Reference, regions: Collection[str], preset: TransferPreset
) -> Steps[AlignedReference]:
    """Bring one reference into the person's frame.  regions: those whose shape it gives.

    Yields the stage "align" where a code has to be moved.
    """
    image, labels, code = reference.image, reference.labels, reference.code
    feature, w_plus = (None, None) if code is None else (code.feature, code.w_plus)
    if reference is person or preset.published:
        return AlignedReference(reference, image, labels, feature, w_plus)
    with_hair = None
    turned = bool(regions) and is_turned(labels, person.labels, preset)
    generator, side = pack.generator, image.shape[-1]
    if set(regions) == {"hair"} and preset.pose_steps:
        w_plus = yield from code_with_hair(pack, person.code.w_plus, w_plus, person.labels, preset)
        with torch.no_grad():  # these rows of S are the person's, which belong to pictures made from F
            made_feature = generator.features(w_plus)
            made_image = generator.synthesis(w_plus, feature=made_feature, side=side)
        made_labels = parse(pack.parser, made_image)[0]
        with_hair = Generated(w_plus, made_feature, made_image, made_labels)
        # A learnt projection gives hair that fits the head better than a similarity, turned or not.
        if turned or pack.hair_projection is not None:
            return AlignedReference(reference, made_image, made_labels, made_feature, w_plus, with_hair)
    elif turned:
        w_plus = yield from turn(pack, w_plus, person.image, preset)
        with torch.no_grad():  # this code was embedded in W+, so that its picture has the RGB of all blocks
            image, feature = generator.synthesis(w_plus, side=side), generator.features(w_plus)
        labels = parse(pack.parser, image)[0]
    matrix = similarity(labels, person.labels)
    if feature is not None:  # not where only colours are taken, or only the target mask is wanted
        feature = warp(feature, matrix)
    return AlignedReference(reference, warp(image, matrix), warp_labels(labels, matrix), feature, w_plus, with_hair)
