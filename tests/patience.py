"""A limit of time for one call."""

from __future__ import annotations

import threading
import time


def within(seconds: float, work):
    """The result of ``work`` or what it raised; a hang fails the test."""
    result = []

    def run():
        try:
            result.append(work())
        except BaseException as bad:  # noqa: BLE001 - handed to the caller
            result.append(bad)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    assert result, f"no answer within {seconds} s"
    return result[0]


def until(condition, seconds: float = 120.0) -> None:
    """Wait until ``condition()`` is true; fails the test if it never is."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.02)
