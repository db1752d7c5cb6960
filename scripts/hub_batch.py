# /// script
# requires-python = ">=3.10,<3.13"
# dependencies = [
#     "torch>=2.8",
#     "torchvision>=0.23",
#     "huggingface_hub>=1.5",
#     "fsspec>=2023.5",
#     "safetensors>=0.5",
#     "lpips>=0.1.4",
#     "open_clip_torch>=3.0",
#     "mediapipe>=0.10.21",
#     "torchmetrics>=1.4",
#     "pillow>=11",
#     "pillow-heif>=1.0",
#     "platformdirs>=4",
#     "numpy>=1.26",
#     "scipy>=1.13",
#     "ftfy>=6.1",
#     "regex>=2024.5",
#     "tomli>=2.0; python_version < '3.11'",
# ]
# ///
"""A batch as a Hugging Face Job, on a GPU by the minute.  What it needs stands above, for uv.

    hf jobs uv run --flavor l4x1 --timeout 2h --attempts 3 \
        -v hf://spaces/OWNER/barbershop:/barbershop -v hf://datasets/ME/portraits:/photos \
        -v hf://buckets/ME/results:/results \
        scripts/hub_batch.py /photos/jobs.csv --code /barbershop --out /results

More arguments are those of ``barbershop batch``.  A mounted bucket writes a file when it is closed, and appends to
none.  The batch therefore works in a folder of the machine, and what is finished is copied to the bucket: the manifest
never names a file that is not there, and another attempt, or another Job, goes on where this one ended.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

MANIFEST = "manifest.jsonl"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``barbershop batch`` and copy what is finished; returns its exit code."""
    parser = argparse.ArgumentParser(description="A batch whose results are copied to a mounted bucket.")
    parser.add_argument("jobs", help="CSV or JSONL, as of 'barbershop batch'; a path or an hf:// address")
    parser.add_argument("--out", type=Path, required=True, help="folder of the results, such as a mounted bucket")
    parser.add_argument("--code", type=Path, help="this repository's folder, where the package is not installed")
    parser.add_argument("--every", type=float, default=60.0, metavar="SECONDS", help="between copies (default 60)")
    options, others = parser.parse_known_args(arguments)
    if options.code is not None:
        sys.path.insert(0, str(options.code))
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(options.code), os.environ.get("PYTHONPATH")]))
        install_libraries(options.code / "packages.txt")
    from barbershop_core.__main__ import main as barbershop

    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        work, ended = Path(folder), threading.Event()
        take_up(options.out, work)
        copier = threading.Thread(target=_copy_often, args=(work, options.out, options.every, ended))
        copier.start()
        try:
            return barbershop(["batch", options.jobs, "-o", str(work), *others]) or 0
        finally:
            ended.set()
            copier.join()
            copy_finished(work, options.out)


def take_up(out: Path, work: Path) -> None:
    """Let a batch in ``work`` go on from the results in ``out``: its manifest, and links to its pictures."""
    for file in out.iterdir():
        if file.name == MANIFEST:
            shutil.copyfile(file, work / MANIFEST)
        elif file.is_file() and not file.name.startswith("."):
            (work / file.name).symlink_to(file.resolve())


def copy_finished(work: Path, out: Path) -> None:
    """Copy what is new or changed; the manifest last, as it was before, without a line that is being written."""
    manifest = work / MANIFEST
    lines = manifest.read_bytes() if manifest.exists() else b""
    for file in work.iterdir():
        if file.name == MANIFEST or file.name.startswith(".") or file.is_symlink() or not file.is_file():
            continue
        there, size = out / file.name, file.stat()
        if not there.exists() or there.stat().st_mtime < size.st_mtime or there.stat().st_size != size.st_size:
            shutil.copyfile(file, there)
    lines = lines[: lines.rfind(b"\n") + 1]
    if lines and (not (out / MANIFEST).exists() or (out / MANIFEST).read_bytes() != lines):
        (out / MANIFEST).write_bytes(lines)


def _copy_often(work: Path, out: Path, seconds: float, ended: threading.Event) -> None:
    while not ended.wait(seconds):
        try:
            copy_finished(work, out)
        except OSError as error:  # the next copy may succeed
            print(f"Not copied: {error}", flush=True)


def install_libraries(listed: Path) -> None:
    """Install the system's libraries that wheels need, where this machine lets us."""
    if not listed.is_file() or shutil.which("apt-get") is None or os.geteuid():
        return
    wanted = listed.read_text().split()
    if subprocess.run(["dpkg", "-s", *wanted], capture_output=True).returncode:
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *wanted], check=True)


if __name__ == "__main__":
    sys.exit(main())
