"""How long things take, in words: the last run on this machine (see :mod:`.pace`), or else a stored measurement."""

from __future__ import annotations

import json
from pathlib import Path

from .files import ASSETS
from .pace import Paces, last, paces


class Times:
    """What to say beneath the control that chooses a setting.

    stored: JSON files, name of the setting -> sentence.  kept: the times of this machine's runs.
    """

    def __init__(self, *stored: Path, kept: Paces = paces):
        self.stored: dict[str, str] = {}
        for path in stored:
            self.stored |= json.loads(path.read_text()) if path.is_file() else {}
        self.kept = kept

    def seconds(self, name: str) -> float | None:
        """How long the last run with a setting took, None where there was none."""
        return self.kept.seconds(last(name))

    def words(self, name: str) -> str:
        """One line about a setting."""
        seconds = self.seconds(name)
        if seconds is not None:
            shown = f"{seconds:.0f} s" if seconds >= 2 else f"{seconds:.1f} s"
            return f"The last run with this setting took {shown} here; photos used before are faster."
        return self.stored.get(name, "No run with this setting has been timed on this machine yet.")


times = Times(ASSETS / "examples" / "times.json", ASSETS / "text" / "times.json")
