"""Items given to this process, to spawned ones and to actors of a local Ray cluster."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from patience import until
from processes import gone
from worker_tasks import Tasks

from barbershop_core.errors import BadRequest, PackageMissing, WorkerDied
from barbershop_core.workers import actors, cores, pool

TESTS = Path(__file__).parent


@pytest.fixture(scope="module")
def cluster():
    """A Ray cluster of two cores on this machine, in whose actors the tests' modules can be imported."""
    ray = pytest.importorskip("ray")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PYTHONPATH", os.pathsep.join([str(TESTS.parent), str(TESTS)]))
        environment.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
        yield "auto"
        ray.shutdown()


RAY = pytest.param("ray", marks=pytest.mark.slow)


@pytest.fixture(params=["here", "processes", RAY])
def kind(request):
    """Arguments of each kind of pool, two workers where there can be."""
    if request.param == "ray":
        return {"workers": 2, "ray": request.getfixturevalue("cluster")}
    return {"workers": 1 if request.param == "here" else 2}


@pytest.fixture(params=["processes", RAY])
def away(request):
    return {"workers": 2} | ({"ray": request.getfixturevalue("cluster")} if request.param == "ray" else {})


def outcomes(make, items, **arguments):
    with pool(make, **arguments) as workers:
        return sorted(workers.run(items), key=lambda outcome: outcome.index)


def pids(folder: Path) -> list[int]:
    return [int(path.name.partition("-")[2]) for path in folder.glob("made-*")]


def test_every_item_has_an_outcome(tmp_path, kind):
    items = [("square", 3), ("fails", 1), ("square", 5), ("stubborn", 2), ("square", 7)]
    found = outcomes(Tasks(tmp_path), iter(items), **kind)
    assert [outcome.index for outcome in found] == list(range(5))
    assert [outcome.value for outcome in found] == [9, None, 25, None, 49]
    assert [type(outcome.error).__name__ for outcome in found][::2] == ["NoneType"] * 3
    error = found[1].error
    assert (type(error), error.what, error.remedy, str(error)) == (
        BadRequest,
        "Not 1.",
        "Try another.",
        "Not 1. Try another.",
    )
    assert "stubborn" in str(found[3].error)
    assert len(pids(tmp_path)) <= kind["workers"]  # made once in each


def test_a_second_run_has_the_same_workers(tmp_path, kind):
    with pool(Tasks(tmp_path), **kind) as workers:
        first = {outcome.value for outcome in workers.run([("pid", k) for k in range(6)])}
        second = {outcome.value for outcome in workers.run([("pid", k) for k in range(6)])}
    assert first | second <= set(pids(tmp_path)) and len(pids(tmp_path)) <= kind["workers"]
    assert (os.getpid() in first) == (kind["workers"] == 1)


@pytest.mark.slow
def test_values_are_the_same_bit_for_bit(tmp_path, cluster):
    items = [("sums", seed) for seed in range(4)]
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        alone = [outcome.value for outcome in outcomes(Tasks(tmp_path), items)]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert {threads for _, threads in alone} == {1}
    assert [outcome.value for outcome in outcomes(Tasks(tmp_path), items, workers=2)] == alone
    assert [outcome.value for outcome in outcomes(Tasks(tmp_path), items, workers=2, ray=cluster)] == alone


def test_a_value_that_cannot_be_pickled_is_an_error(tmp_path, away):
    (found,) = outcomes(Tasks(tmp_path), [("unpicklable", 1)], **away)
    assert found.value is None and "pickle" in str(found.error)


def test_items_finish_in_any_order(tmp_path, away):
    with pool(Tasks(tmp_path), **away) as workers:
        run = workers.run([("slow", 0), ("square", 2), ("square", 3)])
        assert {next(run).index, next(run).index} == {1, 2}
        (tmp_path / "go-0").touch()
        assert next(run).index == 0
        assert list(run) == []


def test_items_are_taken_when_there_is_room(tmp_path, kind):
    taken = []

    def items():
        for k in range(10):
            taken.append(k)
            yield "square", k

    with pool(Tasks(tmp_path), **kind) as workers:
        run = workers.run(items())
        next(run)
        assert len(taken) <= 2 * kind["workers"]
        assert len(list(run)) == 9


def test_no_item_is_lost_with_its_worker(tmp_path, away):
    """Twice its worker dies with it, the third does it; the others' items are not disturbed."""
    found = outcomes(Tasks(tmp_path), [("square", 2), ("dies", 2), ("square", 3), ("pid", 0)], **away)
    assert [outcome.value for outcome in found[:3]] == [4, "alive", 9] and not any(o.error for o in found)
    assert len(list(tmp_path.glob("tried-dies-*"))) == 3


def test_an_item_that_kills_its_workers_is_given_up(tmp_path, away):
    found = outcomes(Tasks(tmp_path), [("square", 2), ("dies", 9), ("square", 3)], **away)
    assert [outcome.value for outcome in found] == [4, None, 9]
    assert isinstance(found[1].error, WorkerDied) and "fewer workers" in str(found[1].error)
    assert len(list(tmp_path.glob("tried-dies-*"))) == 3


def test_a_worker_killed_from_outside(tmp_path, away):
    with pool(Tasks(tmp_path), **away) as workers:
        run = workers.run([("slow", 0), ("slow", 1), ("square", 4)])
        (tmp_path / "go-1").touch()
        seen = [next(run), next(run)]  # item 0 still waits
        first = int(next(tmp_path.glob("tried-slow-0-*")).read_text())
        os.kill(first, signal.SIGKILL)
        (tmp_path / "go-0").touch()
        seen += run
    assert sorted(outcome.index for outcome in seen) == [0, 1, 2] and not any(outcome.error for outcome in seen)
    assert next(outcome.value for outcome in seen if outcome.index == 0) != first or gone(first)


def test_what_make_raises_is_raised(tmp_path, kind):
    with pytest.raises(BadRequest, match="No pack. Get one."):
        outcomes(Tasks(tmp_path, "error"), [("square", 1)] * 3, **kind)


def test_workers_that_die_at_once_are_not_started_for_ever(tmp_path, away):
    with pytest.raises(WorkerDied, match="before they were ready"):
        outcomes(Tasks(tmp_path, "dies"), [("square", 1)] * 3, **away)


def test_closing_ends_what_is_being_done(tmp_path, away):
    with pool(Tasks(tmp_path), **away) as workers:
        run = workers.run([("slow", 0), ("slow", 1), ("square", 2)])
        (tmp_path / "go-1").touch()
        assert {next(run).index, next(run).index} == {1, 2}
        waits = int(next(tmp_path.glob("tried-slow-0-*")).read_text())
        run.close()
        until(lambda: gone(waits))
        assert [outcome.value for outcome in workers.run([("square", 6)])] == [36]
    until(lambda: all(gone(pid) for pid in pids(tmp_path)))


ENDLESS = """
import signal
import sys
from pathlib import Path
from barbershop_core.workers import pool
from worker_tasks import Tasks

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    with pool(Tasks(Path(sys.argv[1])), workers=2) as workers:
        for outcome in workers.run(("slow", k) for k in range(9)):
            pass
"""


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda sent: sent.name)
def test_no_process_is_left_behind(tmp_path, sent):
    script = tmp_path / "endless.py"
    script.write_text(ENDLESS)
    path = os.pathsep.join([str(TESTS.parent), str(TESTS)])
    process = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": path},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    until(lambda: len(list(tmp_path.glob("tried-slow-*"))) == 2)
    if sent == signal.SIGINT:
        os.killpg(process.pid, sent)  # as a terminal does
    else:
        process.send_signal(sent)
    error = process.communicate(timeout=60)[1]
    assert process.returncode in (-sent, 130)
    until(lambda: all(gone(pid) for pid in pids(tmp_path)))
    if sent == signal.SIGINT:
        assert error.count("Traceback") == 1 and "KeyboardInterrupt" in error  # of this process only


def test_bad_arguments_are_refused(tmp_path):
    with pytest.raises(BadRequest, match="0 workers"):
        outcomes(Tasks(tmp_path), [], workers=0)
    assert outcomes(Tasks(tmp_path), [], workers=3) == []
    assert cores() >= 1


def test_ray_that_is_absent_or_elsewhere(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(PackageMissing, match="pip install -r requirements-ray.txt"):
        outcomes(Tasks(tmp_path), [("square", 1)], ray="auto")


@pytest.mark.slow
def test_ray_without_gpus(tmp_path, cluster):
    import ray

    if ray.cluster_resources().get("GPU"):
        pytest.skip("there is a GPU")
    with pytest.raises(BadRequest, match="GPU"):
        outcomes(Tasks(tmp_path), [("square", 1)], ray=cluster, gpus_per_worker=0.5)


def test_no_cluster_answers(tmp_path):
    """In a process of its own, as this one may have joined a cluster."""
    pytest.importorskip("ray")
    words = "from barbershop_core.workers import pool\nwith pool(int, 2, ray='127.0.0.1:1'): pass"
    environment = {**os.environ, "PYTHONPATH": str(TESTS.parent)}
    found = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, env=environment)
    assert "errors.BadRequest: No Ray cluster answers at '127.0.0.1:1'. Start one" in found.stderr


def test_a_cluster_that_lets_nobody_in():
    """Something answers there, but Ray cannot join it: usually a token is missing."""

    def init(**_):
        raise ConnectionError("Failed to connect to Ray cluster")

    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(BadRequest, match=f"'{address}' cannot be joined.*RAY_AUTH_MODE=token"):
            actors._join(SimpleNamespace(init=init), address)


def test_machines_without_the_package():
    """As Ray tells of an actor whose class cannot be imported."""

    class RayError(Exception):
        pass

    def get(_):
        raise RayError("The actor died ... \nModuleNotFoundError: No module named 'barbershop_core'")

    ray = SimpleNamespace(get=get, exceptions=SimpleNamespace(RayError=RayError), remote=lambda **_: lambda kind: kind)
    member = actors._Member(None, None)
    with pytest.raises(PackageMissing, match="lack the Python package 'barbershop_core'"):
        actors.Actors(ray, b"", 1, 0.0)._report(member)


def test_errors_survive_pickling():
    error = pickle.loads(pickle.dumps(WorkerDied("It died.")))
    assert str(error) == str(WorkerDied("It died.")) and error.what == "It died."


def test_importing_loads_neither_ray_nor_torch():
    words = "import sys, barbershop_core.workers; print({'ray', 'torch'} & set(sys.modules))"
    environment = {**os.environ, "PYTHONPATH": str(TESTS.parent)}
    assert (
        subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, env=environment).stdout
        == "set()\n"
    )
