"""A stand-in for ``spaces.GPU`` on ZeroGPU: a generator function in a forked child that is kept for the next call.

As there, arguments and events are pickled, only gr.Error passes with its text, and each call has a thread of its own.
"""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

PATIENCE = 600  # seconds until a child counts as hanging


class Forked:
    """``function`` in a forked child.  seconds: of the slice to ask for, from the same arguments.

    asked: what was asked for, call by call.
    """

    def __init__(self, function: Callable[..., Iterator[Any]], seconds: Callable[..., int]):
        self.function, self.seconds, self.asked = function, seconds, []
        self._fork, self._child = multiprocessing.get_context("fork"), None

    def __call__(self, *arguments) -> Iterator[Any]:
        self.asked.append(self.seconds(*arguments))
        if self._child is None:
            self._here, there = self._fork.Pipe()
            self._child = self._fork.Process(target=self._serve, args=(there,), daemon=True)
            self._child.start()
        self._here.send(arguments)
        while True:
            if not self._here.poll(PATIENCE):
                self.end()
                raise TimeoutError(f"the child did not answer for {PATIENCE} s")
            kind, value = self._here.recv()
            if kind == "end":
                return
            if kind == "error":
                raise value
            yield value

    def end(self) -> None:
        """End the child."""
        if self._child is not None:
            self._child.kill()
            self._child.join()
            self._child = None

    def _serve(self, pipe) -> None:
        while True:
            arguments = pipe.recv()
            thread = threading.Thread(target=self._answer, args=(pipe, arguments))
            thread.start()
            thread.join()

    def _answer(self, pipe, arguments: tuple) -> None:
        try:
            for event in self.function(*arguments):
                pipe.send(("event", event))
        except Exception as error:
            known = isinstance(error, gr.Error)
            pipe.send(("error", error if known else gr.Error(type(error).__name__, title="ZeroGPU worker error")))
        else:
            pipe.send(("end", None))
