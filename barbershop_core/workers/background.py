"""Work that goes on in a thread beside other work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

P, T = ParamSpec("P"), TypeVar("T")


@contextmanager
def in_background(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Iterator[Future[T]]:
    """Start ``work`` in a thread; its result, or its error, is the future's inside the block.

    It should spend its time outside of Python, in NumPy and OpenCV.  A block that is left early does not wait for it.
    """
    pool = ThreadPoolExecutor(1, thread_name_prefix=getattr(work, "__name__", "work"))
    try:
        yield pool.submit(work, *args, **kwargs)
    finally:
        pool.shutdown(wait=False)
