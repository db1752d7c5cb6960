"""Edits an hour: single commands against batches, by preset and number of workers.

    python tests/benchmarks/bench_batch.py [--people 4] [--styles 5] [--singles 4] [--presets fast] [--workers 1 2]

Renders people and styles of the portrait world, and gives every person every hair.  Each row is a run of its own with
an empty cache of codes; "single" are commands one after the other, with the threads that PyTorch takes by itself, and
are extrapolated from --singles of them.  Prints a Markdown table with the command of each row, and JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))


@dataclass(frozen=True)
class Run:
    """seconds: by the wall clock.  cpu: seconds of all processes.  edits: that were made."""

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

    folder.mkdir()
    files = [folder / f"{folder.name}-{k}.png" for k in range(count)]
    for file, p in zip(files, params.sample(count, seed)):
        Image.fromarray(render(p, 256).image).save(file)
    return files


def timed(place: Path, shown: str, commands: list[list[str]], edits: int) -> Run:
    """Run commands one after the other, in a folder, with a cache of their own."""
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "BARBERSHOP_CACHE": cache}
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        for command in commands:
            call = [sys.executable, "-m", "barbershop_core", *command, "--quiet"]
            done = subprocess.run(call, cwd=place, env=environment, capture_output=True, text=True)
            if done.returncode:
                sys.exit(f"{' '.join(command)}:\n{done.stderr}")
        seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{shown}: {seconds:.1f} s, {cpu:.1f} CPU s", file=sys.stderr, flush=True)
    return Run(shown, edits, seconds, cpu)


def measure(options: argparse.Namespace, place: Path) -> list[Run]:
    people = draw(place / "people", options.people, 800_000)
    styles = draw(place / "styles", options.styles, 810_000)
    pairs = [(person, style) for person in people for style in styles]
    made = []
    for preset in options.presets:
        shared = ["--pack", options.pack, "--device", options.device, "--preset", preset]
        hair = "barbershop hair PERSON --shape STYLE --color STYLE"
        singles = [
            ["hair", str(person), "--shape", str(style), "--color", str(style), "-o", f"{k}.png", *shared]
            for k, (person, style) in enumerate(pairs[: options.singles])
        ]
        if singles:
            made.append(timed(place, f"{hair} --preset {preset}", singles, len(singles)))
        for workers in options.workers:
            shown = f"barbershop batch --people people/ --styles styles/ --preset {preset} --workers {workers}"
            words = ["batch", "--people", "people", "--styles", "styles", "--workers", str(workers), *shared]
            made.append(timed(place, shown, [[*words, "-o", f"{preset}-{workers}"]], len(pairs)))
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, count in (("people", 4), ("styles", 5), ("singles", 4)):
        parser.add_argument(f"--{name}", type=int, default=count)
    parser.add_argument("--presets", nargs="+", default=["fast"])
    parser.add_argument("--workers", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--pack", default="studio")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        made = measure(options, Path(folder))
    print("| command | edits | edits an hour | s an edit | CPU s an edit |\n| --- | --- | --- | --- | --- |")
    for run in made:
        numbers = f"{run.an_hour:.0f} | {run.seconds / run.edits:.1f} | {run.cpu / run.edits:.1f}"
        print(f"| `{run.command}` | {run.edits} | {numbers} |")
    print(json.dumps([asdict(run) for run in made]))


if __name__ == "__main__":
    main()
