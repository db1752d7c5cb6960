"""Edits an hour: single commands against batches, by preset and number of workers.

    python tests/benchmarks/bench_batch.py [--people 4] [--styles 5] [--singles 2] [--presets fast] [--workers 1 2]
        [--killed N] [--place FOLDER]

Renders people and styles of the portrait world, and gives every person every hair.  Each row is a run of its own with
an empty cache of codes.  Single commands run one after the other, with the threads that PyTorch takes by itself:
--singles 2 gives two people two hairs, and then the same once more, when all codes are known; what all pairs would
take follows.  --killed N runs a batch with N workers as well that is killed with -9 half-way and started again.

All batches of a preset have to make the same pictures, byte for byte, and a manifest with each job once; else the
benchmark fails.  --place keeps photos and results, and compares with those that an earlier call left there.  Prints a
Markdown table with the command of each row, and JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))


@dataclass(frozen=True)
class Run:
    """seconds: by the wall clock.  cpu: seconds of all processes.  edits: that were made, or would have been."""

    command: str
    edits: int
    seconds: float
    cpu: float

    @property
    def an_hour(self) -> float:
        return 3600 * self.edits / self.seconds


def draw(folder: Path, count: int, seed: int) -> list[Path]:
    """Render portraits into a folder."""
    from PIL import Image

    from barbershop_core.world import params
    from barbershop_core.world.render import render

    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{folder.name}-{k}.png" for k in range(count)]
    for file, p in zip(files, params.sample(count, seed)):
        if not file.exists():
            Image.fromarray(render(p, 256).image).save(file)
    return files


@contextmanager
def new_cache() -> Iterator[dict[str, str]]:
    """The environment of commands, with an empty cache of codes."""
    with tempfile.TemporaryDirectory() as cache:
        yield {**os.environ, "PYTHONPATH": str(ROOT), "BARBERSHOP_CACHE": cache}


@contextmanager
def timed(shown: str, edits: int, made: list[Run]) -> Iterator[None]:
    """Append what the block took to ``made``."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    yield
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    made.append(Run(shown, edits, seconds, cpu))
    print(f"{shown}: {seconds:.1f} s, {cpu:.1f} CPU s", file=sys.stderr, flush=True)


def call(words: list[str]) -> list[str]:
    return [sys.executable, "-m", "barbershop_core", *words, "--quiet"]


def barbershop(words: list[str], place: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(call(words), cwd=place, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(words)}:\n{done.stderr}")


def singles(people: list[Path], styles: list[Path], shared: list[str], shown: str, place: Path, side: int) -> list[Run]:
    """Rows of single commands: ``side`` people with as many hairs, the same again, and what all pairs would take."""
    made: list[Run] = []
    (place / "single").mkdir(exist_ok=True)
    with new_cache() as environment:
        for words in (shown, f"{shown}, once more"):
            with timed(words, side**2, made):
                for k in range(side**2):
                    person, style = str(people[k // side]), str(styles[k % side])
                    files = [person, "--shape", style, "--color", style, "-o", f"single/{k}.png"]
                    barbershop(["hair", *files, *shared], place, environment)
    return [*made, extrapolated(made[0], made[1], side, len(people), len(styles))]


def extrapolated(first: Run, again: Run, side: int, people: int, styles: int) -> Run:
    """All pairs by single commands: every photo costs the difference of the two runs once, when it is embedded."""
    edits, share = people * styles, (people + styles) / (2 * side)
    parts = [
        getattr(again, part) * edits / side**2 + (getattr(first, part) - getattr(again, part)) * share
        for part in ("seconds", "cpu")
    ]
    return Run(f"{first.command}, {edits} of them (computed)", edits, *parts)


def killed_half_way(words: list[str], out: Path, jobs: int, place: Path, environment: dict[str, str]) -> None:
    """Start a batch, kill it with -9 when half of its jobs are in the manifest, and start it again."""
    process = subprocess.Popen(call(words), cwd=place, env=environment)
    while process.poll() is None and lines(out) < jobs // 2:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    print(f"killed with {lines(out)} of {jobs} jobs in the manifest", file=sys.stderr, flush=True)
    barbershop(words, place, environment)


def lines(out: Path) -> int:
    """Whole lines of a manifest."""
    manifest = out / "manifest.jsonl"
    return manifest.read_bytes().count(b"\n") if manifest.exists() else 0


def compare(folders: list[Path], jobs: int) -> None:
    """Exits where a manifest lacks a job or has one twice, or where folders have other pictures than the first."""
    found = []
    for folder in folders:
        entries = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
        if set(Counter(entry["key"] for entry in entries).values()) != {1} or len(entries) != jobs:
            sys.exit(f"{folder}: the manifest does not have each of {jobs} jobs once.")
        found.append({file.name: file.read_bytes() for file in folder.glob("*.png")})
        listed = {name for entry in entries for name in entry["files"].values()}
        if found[-1].keys() != listed:
            sys.exit(f"{folder}: the pictures are not those of the manifest.")
        if found[-1] != found[0]:
            sys.exit(f"{folder}: other pictures than in {folders[0]}.")
    names = ", ".join(folder.name for folder in folders)
    print(f"{names}: the same {len(found[0])} pictures, each of {jobs} jobs once", file=sys.stderr, flush=True)


def measure(options: argparse.Namespace, place: Path) -> list[Run]:
    people = draw(place / "people", options.people, 800_000)
    styles = draw(place / "styles", options.styles, 810_000)
    jobs = len(people) * len(styles)
    made: list[Run] = []
    for preset in options.presets:
        shared = ["--pack", options.pack, "--device", options.device, "--preset", preset]
        if options.singles:
            shown = f"barbershop hair PERSON --shape STYLE --color STYLE --preset {preset}"
            made += singles(people, styles, shared, shown, place, options.singles)
        wanted = [(workers, "") for workers in options.workers] + [(n, "-killed") for n in options.killed]
        for workers, ending in wanted:
            out = place / f"{preset}-{workers}{ending}"
            shutil.rmtree(out, ignore_errors=True)
            shown = f"barbershop batch --people people/ --styles styles/ --preset {preset} --workers {workers}"
            words = ["batch", "--people", "people", "--styles", "styles", "--workers", str(workers), *shared]
            words += ["-o", str(out)]
            with new_cache() as environment, timed(shown + (", killed and resumed" if ending else ""), jobs, made):
                if ending:
                    killed_half_way(words, out, jobs, place, environment)
                else:
                    barbershop(words, place, environment)
        if folders := sorted(place.glob(f"{preset}-*")):
            compare(folders, jobs)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, count in (("people", 4), ("styles", 5), ("singles", 2)):
        parser.add_argument(f"--{name}", type=int, default=count)
    parser.add_argument("--presets", nargs="+", default=["fast"])
    parser.add_argument("--workers", nargs="*", type=int, default=[1, 2])
    parser.add_argument("--killed", nargs="*", type=int, default=[], metavar="WORKERS")
    parser.add_argument("--pack", default="studio")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--place", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        made = measure(options, (options.place or Path(folder)).resolve())
    print("| command | edits | edits an hour | s an edit | CPU s an edit |\n| --- | --- | --- | --- | --- |")
    for run in made:
        numbers = f"{run.an_hour:.0f} | {run.seconds / run.edits:.1f} | {run.cpu / run.edits:.1f}"
        print(f"| `{run.command}` | {run.edits} | {numbers} |")
    print(json.dumps([asdict(run) for run in made]))


if __name__ == "__main__":
    main()
