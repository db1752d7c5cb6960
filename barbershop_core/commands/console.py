"""Messages and progress on stderr: one updating line on a terminal, a few lines in a log."""

from __future__ import annotations

import os
import sys
import time
import warnings
from typing import TYPE_CHECKING, TextIO, TypeVar

if TYPE_CHECKING:
    from ..progress import Step, Steps

CLEAR = "\r\x1b[2K"  # back to the line's start, erase it
T = TypeVar("T")


class Console:
    """Writes to a text stream.  tty: whether it is a terminal."""

    def __init__(self, stream: TextIO):
        self.stream, self.tty = stream, stream.isatty()

    def say(self, words: str, end: str = "\n") -> None:
        self.stream.write(words.rstrip("\n") + end)
        self.stream.flush()


def quiet_console(loud: bool = False) -> Console:
    """A console on stderr; what libraries write there is discarded unless ``loud``.

    MediaPipe and TensorFlow Lite log to file descriptor 2 from C++, out of reach of Python's logging.
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
    return Console(stream)


class Progress:
    """Shows the steps and notices of a command; keeps its time and the latest losses.

    On a terminal one line is rewritten at most ten times a second; elsewhere a line appears when a
    stage begins and every ten seconds.
    """

    def __init__(self, console: Console, quiet: bool = False):
        self.console, self.quiet = console, quiet
        self.started, self.notices = time.monotonic(), []
        self.losses: dict[str, float] = {}
        self._stage, self._last = None, float("-inf")

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return round(time.monotonic() - self.started, 2)

    def run(self, steps: Steps[T]) -> T:
        """What ``steps`` return, with each step shown."""
        from ..progress import run

        try:
            return run(steps, self)
        finally:
            if self.console.tty and not self.quiet:
                self.console.say(CLEAR, end="")

    def __call__(self, step: Step) -> None:
        if step.notice:
            self.note(step.notice)
        self.losses.update(step.losses)
        now = time.monotonic()
        due = now - self._last > (0.1 if self.console.tty else 10.0)
        if self.quiet or not (due or step.stage != self._stage):
            return
        self._stage, self._last = step.stage, now
        losses = "  ".join(f"{k} {v:.4g}" for k, v in list(step.losses.items())[:4])
        words = f"{now - self.started:6.1f} s  {step.stage} {step.index}/{step.total}  {losses}".rstrip()
        if self.console.tty:
            self.console.say(f"{CLEAR}{words[:100]}", end="")
        else:
            self.console.say(words)

    def note(self, words: str) -> None:
        """Show a notice, once."""
        if words in self.notices:
            return
        self.notices.append(words)
        if not self.quiet:
            self.console.say(f"{CLEAR}Note: {words}" if self.console.tty else f"Note: {words}")
