"""How alike two faces are, in words: "high", "medium" or "low" where the pack's recognition network can tell.

Its cosines mean something only against those of pairs of pictures of the same person and of two; the thresholds between
them are measured by :mod:`barbershop_core.evaluation.likeness` and kept in the pack's manifest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..protocols import PackLike

KINDS = ("rendered", "photograph")
"""Portraits that the pack's code explains, and photographs; a network may know only one of them."""


def thresholds(pack: PackLike, kind: str) -> tuple[float, float] | None:
    """Cosines below which likeness is low and from which it is high; None where the network cannot tell.

    Read from ``likeness`` of the network "identity" in the manifest: "rendered 0.6 0.8, photograph 0.3 0.5", either of
    which may be missing.  kind: of `KINDS`.
    """
    network = pack.manifest.networks.get("identity")
    for part in (network.likeness if network is not None else "").split(","):
        name, *numbers = part.split()[:3] or [""]
        if name == kind and len(numbers) == 2:
            return float(numbers[0]), float(numbers[1])
    return None


def level(pack: PackLike, kind: str, cosine: float) -> str | None:
    """ "high", "medium" or "low"; None where the network cannot tell."""
    if (found := thresholds(pack, kind)) is None:
        return None
    low, high = found
    return "low" if cosine < low else "medium" if cosine < high else "high"


def words(scores: Mapping[str, Any], operation: str = "") -> str:
    """What a result's scores say of likeness: "Likeness: high", after a swap "Likeness to the donor: high"; empty where
    nothing can be told."""
    if not scores.get("likeness"):
        return ""
    whom = " to the donor" if operation == "swap_face" else ""
    return f"Likeness{whom}: {scores['likeness']}"
