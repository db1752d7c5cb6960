"""The files of a pack: found on this machine or fetched, verified, replaced if their contents are wrong."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from ..errors import UnsafePickle, WeightCorrupt, WeightError
from ..progress import Step, Steps, run
from . import hub, local
from .local import Found
from .manifest import Manifest, Network, Source

T = TypeVar("T")


class PackFiles:
    """Files of a manifest by role.

    notices: sentences for the user, each once; they grow as files are looked for.
    on_step: called with the steps of downloads that start on first use.
    """

    def __init__(self, manifest: Manifest, on_step: Callable[[Step], None] | None = None):
        self.manifest, self.on_step = manifest, on_step
        self.notices: list[str] = []
        self._locks = {role: threading.RLock() for role in manifest.networks}
        self._found: dict[str, Found] = {}
        self._missed: set[str] = set()  # wanted files that could not be fetched: not tried again

    def file(self, role: str) -> Path | None:
        """The verified file of a role, fetched if its need allows; None if the pack works without it."""
        found = self.find(role)
        return None if found is None else found.path

    def find(self, role: str, skip: Sequence[Source] = ()) -> Found | None:
        """The verified file of a role from a source not in ``skip``; None as in :meth:`file`.

        Raises WeightMissing or WeightCorrupt if the role is required.
        """
        network = self.manifest.networks.get(role)
        if network is None:
            return None
        with self._locks[role]:
            return self._find(network, skip)

    def _find(self, network: Network, skip: Sequence[Source]) -> Found | None:
        role = network.role
        if role in self._found and self._found[role].source not in skip:
            return self._found[role]
        if network.need == "required" or (network.need == "wanted" and role not in self._missed):
            try:
                found = run(hub.fetch(network, self.manifest.folder, skip), self.on_step)
            except WeightError as error:
                if network.need == "required":
                    raise
                self._missed.add(role)
                self.notice(f"Continuing without: {error.what}")
                return None
        else:
            found = local.locate(network, self.manifest.folder, skip)
        if found is not None:
            self._found[role] = found
        return found

    def load(self, role: str, build: Callable[[Path], T]) -> T | None:
        """``build(path)`` of the first source whose contents are right, too; None as in :meth:`file`.

        build: raises WeightCorrupt or UnsafePickle for wrong contents; the next source is then tried.
        """
        skip: list[Source] = []
        reasons: list[str] = []
        while True:
            try:
                found = self.find(role, skip)
            except WeightError as error:
                if not reasons:
                    raise
                raise WeightCorrupt(f"{'; '.join(reasons)}; {error.what}", error.remedy) from error
            if found is None:
                return None
            try:
                return build(found.path)
            except (WeightCorrupt, UnsafePickle) as error:
                network = self.manifest.networks[role]
                if network.need == "required" and len(skip) + 1 == len(network.sources):
                    raise type(error)(f"{found.path}: {error.what}", error.remedy) from error
                reasons.append(f"{found.source.where} ({found.source.file}): {error.what}")
                self.notice(f"Another source of the {role} is used: {reasons[-1]}")
                skip.append(found.source)
                self._found.pop(role, None)

    def fetch(self, *roles: str) -> Steps[None]:
        """Fetch networks that only one kind of edit needs.  Roles that the pack does not list are ignored.

        Raises WeightMissing, WeightCorrupt.
        """
        for role in roles:
            if role in self.manifest.networks and role not in self._found:
                self._found[role] = yield from hub.fetch(self.manifest.networks[role], self.manifest.folder)
                self._missed.discard(role)

    def download(self, level: str = "wanted", also: Sequence[str] = ()) -> Steps[None]:
        """Fetch every file that the pack needs at least as much as ``level`` (one of manifest.NEEDS), and those of
        the roles in ``also``.

        Yields nothing if all are here.  A required file that cannot be fetched raises WeightMissing or
        WeightCorrupt; any other gives a step with a notice.
        """
        more = [self.manifest.networks[role] for role in also if role in self.manifest.networks]
        for network in dict.fromkeys((*self.manifest.needed(level), *more)):
            role = network.role
            given = role == "landmarker" and os.environ.get("BARBERSHOP_LANDMARKER")
            if given or role in self._found or role in self._missed or network.sources[0].trained:
                continue
            try:
                self._found[role] = yield from hub.fetch(network, self.manifest.folder)
            except WeightError as error:
                if network.need == "required":
                    raise
                if network.need == "wanted":
                    self._missed.add(role)
                yield Step(f"download {role}", 0, 0, notice=str(error))

    def notice(self, text: str) -> None:
        if text not in self.notices:
            self.notices.append(text)
