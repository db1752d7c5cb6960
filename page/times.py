"""How long things take: the last run on this server, or else a stored measurement."""

from __future__ import annotations

import json
from pathlib import Path

from .files import ASSETS


class Times:
    """Seconds by name of the work.

    stored: JSON files, name -> sentence.
    """

    def __init__(self, *stored: Path):
        self.stored: dict[str, str] = {}
        for path in stored:
            self.stored |= json.loads(path.read_text()) if path.is_file() else {}
        self.here: dict[str, float] = {}

    def note(self, name: str, seconds: float) -> None:
        """Remember how long a run took."""
        self.here[name] = seconds

    def words(self, name: str) -> str:
        """One line for beneath the control that chooses ``name``."""
        if name in self.here:
            seconds = self.here[name]
            shown = f"{seconds:.0f} s" if seconds >= 2 else f"{seconds:.1f} s"
            return f"The last run with this setting took {shown} here; photos used before are faster."
        return self.stored.get(name, "No run with this setting has been timed on this machine yet.")


times = Times(ASSETS / "examples" / "times.json", ASSETS / "text" / "times.json")
