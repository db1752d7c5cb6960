"""The order in which jobs are given to workers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from .job import Job


def ordered(jobs: Sequence[Job], workers: int = 1) -> list[Job]:
    """Jobs of the same person one after the other, so that what is known of a photo is still in memory.

    Several workers get different persons, and begin with different references, so that no two embed the same
    photo at the same time.  The pictures do not depend on the order.
    """
    persons: dict[tuple, list[Job]] = {}
    for job in jobs:
        persons.setdefault(job.person.content, []).append(job)
    lanes: list[list[list[Job]]] = [[]]
    for group in persons.values():
        if sum(map(len, lanes[-1])) >= len(jobs) / workers:
            lanes.append([])
        lanes[-1].append(sorted(group, key=_references))
    turned = [_turned(lane, k / len(lanes)) for k, lane in enumerate(lanes)]
    return [job for row in zip_longest(*turned) for job in row if job is not None]


def _turned(lane: list[list[Job]], share: float) -> list[Job]:
    """The jobs of a lane; those of each person begin at a share of their references."""
    starts = [round(share * len(group)) for group in lane]
    return [job for group, k in zip(lane, starts) for job in (*group[k:], *group[:k])]


def _references(job: Job) -> list[tuple]:
    return [(role, photo.sha256, photo.face or 0) for role, photo in sorted(job.photos.items())]
