"""Workers that are actors of a Ray cluster.

Plain actors, not Ray Data's pool of them: Ray Data gives the item of a dead actor to another one without end, so
an item that needs more memory than there is would be tried for ever; and an exception ends its whole run.
"""

from __future__ import annotations

import os
import pickle
import re
import socket
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ..errors import BadRequest, PackageMissing
from .worker import Worker

PATIENCE = 5.0  # seconds until a cluster's address counts as unreachable
JOINING = "Use its version of Ray, and its token where it has one: ~/.ray/auth_token, with RAY_AUTH_MODE=token."


@contextmanager
def actors(make: Callable[[], Callable[[Any], Any]], threads: int, address: str, gpus: float = 0.0) -> Iterator[Actors]:
    """Actors that call ``make``.  address: as of ``ray.init``.  gpus: that each reserves.

    Raises PackageMissing without Ray, BadRequest where no cluster answers or it has too few GPUs.
    """
    ray = _ray()
    joined = ray.is_initialized()
    if not joined:
        _join(ray, address)
    try:
        if ray.cluster_resources().get("GPU", 0) < gpus:
            raise BadRequest(
                f"The Ray cluster has fewer than {gpus:g} GPUs, which each worker asks for.",
                "Give it GPUs, or leave --gpus-per-worker out.",
            )
        yield Actors(ray, pickle.dumps(make), threads, gpus)
    finally:
        if not joined:
            ray.shutdown()


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise PackageMissing(
            "Ray is not installed.", "Install it with 'pip install -r requirements-ray.txt', here and on all machines."
        ) from None
    return ray


def _join(ray: Any, address: str) -> None:
    refused = BadRequest(
        f"No Ray cluster answers at '{address}'.", "Start one with 'ray start --head', or use 'local'."
    )
    host, _, port = address.rpartition("://")[2].rpartition(":")
    try:
        if host and port.isdigit():
            socket.create_connection((host, int(port)), PATIENCE).close()  # Ray itself tries for minutes
            refused = BadRequest(f"The Ray cluster at '{address}' cannot be joined.", JOINING)
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a cluster of our own reports nothing to anybody
        own = {"include_dashboard": False} if address == "local" else {}
        ray.init(address=address, log_to_driver=False, logging_level="error", **own)
    except (OSError, RuntimeError, ValueError) as error:  # ConnectionError is an OSError
        raise refused from error


@dataclass(eq=False)
class _Member:
    actor: Any
    report: Any  # reference to the report that is due
    cause: str = ""


class Actors:
    """A `team.Staff` of actors."""

    def __init__(self, ray: Any, make: bytes, threads: int, gpus: float):
        self._ray, self._make, self._threads = ray, make, threads
        self._kind = ray.remote(num_cpus=threads, num_gpus=gpus)(Worker)

    def start(self) -> _Member:
        actor = self._kind.remote(self._make, self._threads)
        return _Member(actor, actor.open.remote())

    def send(self, member: _Member, item: bytes) -> None:
        member.report = member.actor.do.remote(item)

    def wait(self, members: Collection[_Member]) -> list[tuple[_Member, bytes | None]]:
        due = {member.report: member for member in members}
        ready, _ = self._ray.wait(list(due), num_returns=1)
        return [(due[reference], self._report(due[reference])) for reference in ready]

    def end(self, members: Collection[_Member], gently: bool) -> None:
        for member in members:
            self._ray.kill(member.actor)

    def cause(self, member: _Member) -> str:
        return member.cause

    def _report(self, member: _Member) -> bytes | None:
        try:
            return self._ray.get(member.report)
        except self._ray.exceptions.RayError as error:
            if missing := re.search(r"No module named '([^']+)'", str(error)):
                raise PackageMissing(
                    f"The machines of the Ray cluster lack the Python package '{missing[1]}'.",
                    "Install it on each of them, or name its folder in PYTHONPATH before 'ray start'.",
                ) from error
            member.cause = type(error).__name__
            return None
