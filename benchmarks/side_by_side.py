#!/usr/bin/env python3
"""Local training side by side with PyTorch: fedloom, PyTorch, the best matrix product, fedloom, PyTorch ... on one
core, so that all see the same drift of the machine. Writes the table of docs/benchmarks.md between its markers.

Ratios are of neighbours in time, their median and spread are shown. Rates count the processor time of the one
thread: on a machine that is shared, waiting for the core is neither program's doing (--clock wall counts it).
    benchmarks/side_by_side.py                         # all models, about fifteen minutes
    benchmarks/side_by_side.py --models lenet5 --pairs 3 --print
"""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys

FOLDER = pathlib.Path(__file__).resolve().parent
BEGIN, END = "<!-- side_by_side: begin -->", "<!-- side_by_side: end -->"
# Model, batch, and the ratio that is the goal.
JOBS = [("softmax", 10, 7.0), ("2nn", 10, 3.0), ("mcnn", 10, 1.4), ("lenet5", 10, 4.0), ("cifarcnn", 32, 3.0),
        ("vit_lora", 32, 1.35), ("resnet20gn", 32, 1.3)]


def why_not(python: str) -> str:
    """What keeps PyTorch from being measured; empty when nothing does."""
    if shutil.which(python) is None:
        return f"there is no {python}"
    found = subprocess.run([python, "-c", "import torch"], capture_output=True, text=True)
    if found.returncode != 0:
        return f"{python} has no torch (Debian: python3-torch)"
    blas = run([python, FOLDER / "torch_step.py"], "softmax", 1, 1)["blas"]
    if not any(name in blas for name in ("openblas", "blis", "atlas", "mkl", "built in")):
        return (f"{python} multiplies with the reference BLAS ({blas}), many times slower than it need be "
                "(Debian: libopenblas0-pthread)")
    return ""


def run(program: list, model: str, batch: int, steps: int, core: int = -1) -> dict:
    """One measurement: one repetition of `steps` steps on one thread, on one core unless it is negative."""
    done = subprocess.run(
        [*map(str, program), "--model", model, "--batch", str(batch), "--steps", str(steps), "--reps", "1"],
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}, capture_output=True, text=True,
        preexec_fn=(lambda: os.sched_setaffinity(0, {core})) if core >= 0 else None)
    if done.returncode != 0:
        sys.exit(f"{program[-1]} --model {model}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def compare(job: tuple, sides: list, arguments: argparse.Namespace) -> str:
    """A row of the table. `sides`: the command of fedloom, and of PyTorch if it can be measured."""
    model, batch, goal = job
    milliseconds = "cpu_ms_step" if arguments.clock == "cpu" else "ms_step"
    gflops = "gflops_per_cpu_s" if arguments.clock == "cpu" else "gflops"
    first = [run(side, model, batch, 3, arguments.core) for side in sides]
    if len({(line["params"], line["trainable"]) for line in first}) > 1:
        sys.exit(f"{model} is not the same network on both sides: {first}")
    steps = [max(3, round(arguments.seconds * 1e3 / line["ms_step"])) for line in first]
    rates, flops, best = [[] for _ in sides], [], []
    for _ in range(arguments.pairs):
        for i, side in enumerate(sides):
            line = run(side, model, batch, steps[i], arguments.core)
            rates[i].append(batch / line[milliseconds] * 1e3)
            if i == 0:
                flops.append(line[gflops])
        best.append(run(sides[0], "gemm", 1, 1, arguments.core)[gflops])
    ratios = [ours / theirs for ours, theirs in zip(*rates)] if len(sides) > 1 else []
    share = statistics.median(flops) / max(best)
    comparison = "- | - "
    if ratios:
        met = statistics.median(ratios) >= goal
        ratio = f"{statistics.median(ratios):.2f}"
        comparison = (f"{statistics.median(rates[1]):,.0f} | {f'**{ratio}**' if met else ratio} "
                      f"({min(ratios):.2f} to {max(ratios):.2f}) ")
    return (f"| {model} | {batch} | {statistics.median(rates[0]):,.0f} | {comparison}| {goal} | "
            f"{statistics.median(flops):.1f} | {max(best):.0f} | {share:.0%} |")


def machine() -> str:
    with open("/proc/cpuinfo") as lines:
        names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    with open("/proc/cpuinfo") as lines:
        wide = "AVX-512" if " avx512f" in lines.read() else "no AVX-512"
    return f"{names[0] if names else 'an unnamed processor'}, {wide}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=FOLDER.parent / "build/release/benchmarks/train_step")
    parser.add_argument("--python", default="/usr/bin/python3", help="the one that has torch")
    parser.add_argument("--models", nargs="+", choices=[job[0] for job in JOBS], help="default: all")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement")
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("--clock", choices=["cpu", "wall"], default="cpu")
    parser.add_argument("--page", default=FOLDER.parent / "docs/benchmarks.md")
    parser.add_argument("--print", action="store_true", help="only print, leave the page as it is")
    arguments = parser.parse_args()

    sides = [[arguments.program]]
    reason = why_not(arguments.python)
    if reason:
        print(f"not side by side with PyTorch: {reason}")
    else:
        sides.append([arguments.python, FOLDER / "torch_step.py"])
    rows = ["| model | B | fedloom, samples/s | PyTorch | ratio (spread) | goal | GFLOP/s | best product | share |",
            "|---|---|---|---|---|---|---|---|---|"]
    for job in JOBS:
        if arguments.models is None or job[0] in arguments.models:
            rows.append(compare(job, sides, arguments))
            print(rows[-1], flush=True)
    if arguments.print or reason or arguments.models is not None:
        print("docs/benchmarks.md is left as it is: its table is of all models on both sides")
        return
    about = (f"{machine()}, {os.cpu_count()} cores, load average {os.getloadavg()[2]:.1f}; "
             f"{arguments.pairs} pairs of {arguments.seconds:g} s, "
             f"{'processor' if arguments.clock == 'cpu' else 'wall'} time:")
    page = pathlib.Path(arguments.page)
    before, rest = page.read_text().split(BEGIN)
    page.write_text("\n".join([before + BEGIN, about, "", *rows, END + rest.split(END)[1]]))


if __name__ == "__main__":
    main()
