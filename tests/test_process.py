"""Waiting threads sleep soon, from the start of a process on; freed memory goes back to the system."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
COMMAND = """
import barbershop_core.__main__ as commands
try:
    commands.main(["hair"])
except SystemExit:
    pass
"""
STARTS = {"the page": "import app", "the command line": COMMAND}


def environment(code: str, **given: str) -> dict[str, str]:
    """What a process has in its environment when it imports PyTorch."""
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("GOMP_", "KMP_", "OMP_"))}
    code = f"import sys, os\n{code}\nassert 'torch' not in sys.modules\nprint('\\n', dict(os.environ))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=plain | given, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return eval(done.stdout.strip().splitlines()[-1])


@pytest.mark.parametrize("start", STARTS)
def test_waiting_threads_sleep_soon(start):
    assert int(environment(STARTS[start])["GOMP_SPINCOUNT"]) == 1000


def test_a_choice_of_the_owner_stays():
    assert environment(STARTS["the page"], GOMP_SPINCOUNT="7")["GOMP_SPINCOUNT"] == "7"
    assert "GOMP_SPINCOUNT" not in environment(STARTS["the page"], OMP_WAIT_POLICY="PASSIVE")


GROW = """
import threading
from pathlib import Path
from barbershop_core.process import give_back

def resident():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))

def work():
    small = [bytearray(60_000) for _ in range(400)]  # below the size that is returned at once
    last.append(bytearray(60_000))  # what is kept lies above what is freed
    del small

before, last = resident(), []
threads = [threading.Thread(target=work) for _ in range(20)]
for thread in threads:
    thread.start()
    thread.join()
grown = resident() - before
give_back()
print(grown, resident() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only GNU's C library keeps freed memory")
def test_freed_memory_goes_back():
    done = subprocess.run([sys.executable, "-c", GROW], cwd=ROOT, capture_output=True, text=True, check=True)
    grown, left = map(float, done.stdout.split())
    assert grown > 15 and left < 10
