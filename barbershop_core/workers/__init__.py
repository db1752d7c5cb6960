"""The same function on many items: in this process, in several, or on a Ray cluster.

>>> with pool(OpenPack("studio"), workers=2) as workers:
...     for outcome in workers.run(items):              # as they finish
...         print(outcome.index, outcome.error or outcome.value)

The values do not depend on where they were made, nor on how many workers there are: PyTorch's sums over
several threads differ in the last bit from those of one, so every worker, also the only one, has one thread.
More cores are filled by more workers (:func:`cores`), which is faster, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import BadRequest
from .here import Here
from .outcome import Outcome
from .team import Team
from .threads import cores, limited

__all__ = ["Outcome", "cores", "pool"]


@contextmanager
def pool(
    make: Callable[[], Callable[[Any], Any]],
    workers: int = 1,
    ray: str | None = None,
    gpus_per_worker: float = 0.0,
    threads: int = 1,
) -> Iterator[Here | Team]:
    """Workers whose ``run(items)`` yields an :class:`Outcome` for each item, in the order in which they finish.

    make: called once in each worker; returns the function item -> value.  Beyond this process ``make``, items and
        values are pickled.
    workers: 1 is this process; more are processes of their own (spawned: PyTorch and MediaPipe hang in forks).
    ray: address of a Ray cluster ("auto", "host:port", "ray://..."), or "local" for one on this machine that ends
        with the block; the workers are then actors of the cluster, as many at once as it has room for.
    gpus_per_worker: what each actor reserves, 0.5 for two on one GPU.  Without Ray, workers share this machine's.
    threads: of PyTorch in each worker; values made with different numbers differ in their last bits.

    An exception that an item raises is its outcome's error.  An item whose worker dies (killed, or out of memory)
    is given to another worker, at most twice; then its outcome's error is WorkerDied.  ``run`` takes items when
    a worker is free for them, at most ``workers`` ahead, and raises what ``make`` raises.  Closing ``run`` ends
    what is being worked on; leaving the block ends the workers.

    A script that starts processes has to do so below ``if __name__ == "__main__":``, as each imports it again.

    Raises BadRequest for a bad number of workers or a cluster that cannot be joined, PackageMissing without Ray or
    where the cluster's machines lack this package.
    """
    if workers < 1:
        raise BadRequest(f"{workers} workers cannot do anything.", "Give a number from 1 on.")
    if ray is None and workers == 1:
        with limited(threads):
            yield Here(make)
        return
    if ray is None:
        from .processes import processes as staff
    else:
        from .actors import actors

        def staff(make, threads):
            return actors(make, threads, ray, gpus_per_worker)

    with staff(make, threads) as members:
        team = Team(members, workers)
        try:
            yield team
        finally:
            team.end()
