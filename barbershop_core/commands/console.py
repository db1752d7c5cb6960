"""Words on stderr: one updating line on a terminal, sparse lines in a log, and no chatter of libraries."""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Callable
from typing import TextIO

from ..progress import Step

CLEAR = "\r\x1b[2K"  # back to the line's start, erase it


def quiet_libraries(loud: bool = False) -> Callable[[str], None]:
    """Send what libraries write to stderr nowhere and return a function that writes our own sentences there.

    MediaPipe and TensorFlow Lite log to file descriptor 2 from C++, out of reach of Python's logging.
    loud: leave everything as it is.
    """
    stream: TextIO = sys.stderr
    if not loud:
        warnings.simplefilter("ignore")
        try:
            stream = os.fdopen(os.dup(2), "w", buffering=1, encoding="utf-8", errors="replace")
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 2)
            os.close(nowhere)
        except OSError:
            stream = sys.stderr

    def say(words: str, end: str = "\n") -> None:
        stream.write(words.rstrip("\n") + end)
        stream.flush()

    say.tty = stream.isatty()  # type: ignore[attr-defined]
    return say


class Progress:
    """Shows steps; give it to :func:`barbershop_core.run` as ``on_step``.

    On a terminal one line is rewritten at most ten times a second; elsewhere a line appears when a
    stage begins and every ten seconds.
    """

    def __init__(self, say: Callable[..., None], quiet: bool = False):
        self.say, self.quiet, self.tty = say, quiet, getattr(say, "tty", False)
        self.stage, self.last, self.started, self.notices = None, float("-inf"), time.monotonic(), []

    def __call__(self, step: Step) -> None:
        if step.notice:
            self.note(step.notice)
        now = time.monotonic()
        fresh = step.stage != self.stage
        if self.quiet or not (fresh or now - self.last > (0.1 if self.tty else 10.0)):
            return
        self.stage, self.last = step.stage, now
        losses = "  ".join(f"{k} {v:.4g}" for k, v in list(step.losses.items())[:4])
        words = f"{now - self.started:6.1f} s  {step.stage} {step.index}/{step.total}  {losses}".rstrip()
        if self.tty:
            self.say(f"{CLEAR}{words[:100]}", end="")
        else:
            self.say(words)

    def note(self, words: str) -> None:
        """Say a notice, once."""
        if words in self.notices:
            return
        self.notices.append(words)
        if not self.quiet:
            self.say(f"{CLEAR}Note: {words}" if self.tty else f"Note: {words}")

    def end(self) -> None:
        """Clear the updating line."""
        if self.tty and not self.quiet:
            self.say(CLEAR, end="")
