"""One job of a batch, checked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..operations import operation_named
from ..options import checked


@dataclass(frozen=True)
class Photo:
    """A photo, or a painted mask.  path: a file or an fsspec URL.  sha256: of its bytes.  face: number of the face,
    None for the largest that can be used."""

    path: str
    sha256: str
    face: int | None = None

    @property
    def content(self) -> tuple[str, int | None]:
        """The same for the same face of the same bytes, whatever the file is called."""
        return self.sha256, self.face


@dataclass(frozen=True)
class Job:
    """One edit: what a line of a job file asks for.

    line: where it stands in its file.  name: of its pictures, without folder and ending.  operation: of
    `operations.OPERATIONS`.  photos: by role.  options: those that were given.  mask: a painted target mask.
    key: 32 hex digits of everything that the picture depends on; a batch that goes on knows its jobs by them.
    """

    line: int
    name: str
    operation: str
    photos: Mapping[str, Photo]
    options: Mapping[str, Any] = field(default_factory=dict)
    mask: Photo | None = None
    key: str = ""

    @property
    def person(self) -> Photo:
        """The photo that is edited."""
        return self.photos[operation_named(self.operation).person]


def key_of(operation: str, photos: Mapping[str, Photo], options: Mapping[str, Any], mask: Photo | None, pack) -> str:
    """See `Job`.  An option that is given its default counts as left out."""
    values = checked(operation_named(operation).options, options)
    values = {name: float(value) if isinstance(value, int) else value for name, value in values.items()}  # 5 is 5.0
    contents = {role: photo.content for role, photo in photos.items()}
    networks = [repr(network) for network in pack.manifest.networks.values()]
    parts = [operation, contents, values, mask and mask.sha256, pack.name, pack.working_size, networks, "batch 1"]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]
