#!/usr/bin/env python3
"""Wall time of asynchronous runs against a synchronous run of the same client trainings.

usage: benchmarks/async_overhead.py [--pairs 5] [FEDLOOM]      default build/release/fedloom

The job of experiments/papers/fedfix/cifar10_cnn.yaml with clients of equal speed: five synchronous rounds of 20 clients, or
the same 100 trainings under another pacer. Runs take turns; printed are ratios to the synchronous run of the same
turn, with their median and range.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile

PACERS = {
    "sync": "{name: sync, clients_per_round: 20}",
    "fedfix": "{name: fedfix, window: 1s}",
    "fedbuff K=5": "{name: fedbuff, buffer: 5}",
    "async_fedavg": "{name: async_fedavg}",
}
JOB = pathlib.Path(__file__).resolve().parent.parent / "experiments/papers/fedfix/cifar10_cnn.yaml"
SETTINGS = ["duration=5s", "devices.task.percent=0", "train.lr=0.0001", "evaluate.interval=0s", "evaluate.every=0", "checkpoint.every=0"]


def wall(program, folder, pacer):
    command = [program, "run", str(JOB), "--out", str(folder), "--quiet", "--no-report"]
    for setting in SETTINGS + [f"pacer={pacer}"]:
        command += ["--set", setting]
    subprocess.run(command, check=True)
    summary = json.loads((folder / "summary.json").read_text())
    lines = [json.loads(line) for line in open(folder / "run.jsonl") if '"event":"machine"' in line]
    assert summary["clients_accepted"] == 100, summary["clients_accepted"]
    joined = [json.loads(line)["wall"] for line in open(folder / "run.jsonl") if '"peer_joined"' in line]
    return lines[-1]["wall"] - max(joined)  # without loading data


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("program", nargs="?", default="build/release/fedloom")
    arguments = parser.parse_args()
    ratios = {name: [] for name in PACERS}
    with tempfile.TemporaryDirectory() as place:
        for turn in range(arguments.pairs):
            seconds = {name: wall(arguments.program, pathlib.Path(place) / f"{turn}-{i}", pacer)
                       for i, (name, pacer) in enumerate(PACERS.items())}
            for name in PACERS:
                ratios[name].append(seconds[name] / seconds["sync"])
            print("  ".join(f"{name} {value:.2f} s" for name, value in seconds.items()), flush=True)
    for name, values in ratios.items():
        print(f"{name:14s} {statistics.median(values):.3f} of sync ({min(values):.3f} to {max(values):.3f})")


if __name__ == "__main__":
    main()
