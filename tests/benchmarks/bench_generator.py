"""One 1024 px W+ step, forward and backward to the latent: the fast generator against the plain one.

    python tests/benchmarks/bench_generator.py [--size 1024] [--steps 3] [--rounds 2] [--threads 2]

Both load the same file of random weights in the published layout, each in a process of its own (so that
peak memory is its own), and must agree on the image and the gradient.  Prints a table and JSON.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parent)]


def one(kind: str, folder: Path, steps: int, threads: int) -> dict:
    """Time and peak memory of one formulation, in this process."""
    import torch

    torch.set_num_threads(threads)
    if kind == "fast":
        from barbershop_core import networks

        net = networks.load("stylegan2", folder / "weights.pt")
    else:
        from plain_stylegan2 import PlainGenerator

        net = PlainGenerator(torch.load(folder / "weights.pt", weights_only=True)["g_ema"])
    w_plus = torch.load(folder / "w_plus.pt", weights_only=True).requires_grad_()
    forward, whole, cpu = [], [], []
    for _ in range(steps + 1):
        w_plus.grad = None
        wall, used = time.perf_counter(), time.process_time()
        image = net.synthesis(w_plus)
        forward.append(time.perf_counter() - wall)
        image.square().mean().backward()
        whole.append(time.perf_counter() - wall)
        cpu.append(time.process_time() - used)
        result = {"image": image.detach()[..., ::8, ::8].clone(), "gradient": w_plus.grad.clone()}
        del image
    torch.save(result, folder / f"{kind}.pt")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KiB on Linux, bytes on macOS
    return {
        "forward_s": min(forward[1:]),
        "step_s": min(whole[1:]),
        "cpu_s": min(cpu[1:]),
        "peak_mib": peak / (2**20 if sys.platform == "darwin" else 2**10),
    }


def compare(size: int, steps: int, rounds: int, threads: int) -> dict:
    """Run both, ``rounds`` times by turns; the best of each counts."""
    import torch

    from barbershop_core.networks.stylegan2 import Generator

    with tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(0)
        channels = {2**k: min(512, 32768 // 2**k) for k in range(2, size.bit_length())}
        net = Generator(size, 512, 8, channels)
        torch.save(net.checkpoint(), Path(folder, "weights.pt"))
        torch.save(net.mapping(torch.randn(net.n_latent, 512))[None].detach(), Path(folder, "w_plus.pt"))
        del net
        rows: dict[str, list[dict]] = {"plain": [], "fast": []}
        for _ in range(rounds):
            for kind, found in rows.items():
                command = [
                    sys.executable,
                    __file__,
                    "--one",
                    kind,
                    "--folder",
                    folder,
                    "--steps",
                    str(steps),
                    "--threads",
                    str(threads),
                ]
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
                found.append(json.loads(done.stdout.splitlines()[-1]))
        plain, fast = (torch.load(Path(folder, f"{k}.pt"), weights_only=True) for k in rows)
    best = {kind: {key: min(row[key] for row in found) for key in found[0]} for kind, found in rows.items()}
    flat = [r["gradient"].flatten() for r in (plain, fast)]
    return {
        "size": size,
        "threads": threads,
        "torch": torch.__version__,
        **best,
        "times_faster": best["plain"]["step_s"] / best["fast"]["step_s"],
        "times_faster_cpu": best["plain"]["cpu_s"] / best["fast"]["cpu_s"],
        "memory_share": best["fast"]["peak_mib"] / best["plain"]["peak_mib"],
        "image_difference": ((plain["image"] - fast["image"]).abs().max() / plain["image"].std()).item(),
        "gradient_cosine": torch.cosine_similarity(*flat, 0).item(),
    }


def table(found: dict) -> str:
    lines = [f"{'':8}{'forward s':>11}{'step s':>9}{'CPU s':>9}{'peak MiB':>10}"]
    for kind in ("plain", "fast"):
        row = found[kind]
        lines.append(f"{kind:8}{row['forward_s']:11.2f}{row['step_s']:9.2f}{row['cpu_s']:9.2f}{row['peak_mib']:10.0f}")
    return "\n".join(
        lines
        + [
            f"{found['times_faster']:.1f}x faster ({found['times_faster_cpu']:.1f}x in CPU time), "
            f"{found['memory_share']:.0%} of the memory",
            f"image differs by {found['image_difference']:.1e} of its spread, gradient's cosine "
            f"{found['gradient_cosine']:.6f}",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", choices=("plain", "fast"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(one(given.one, given.folder, given.steps, given.threads)))
        return
    found = compare(given.size, given.steps, given.rounds, given.threads)
    print(table(found))
    text = json.dumps(found, indent=1)
    print(text)
    if given.json:
        given.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
