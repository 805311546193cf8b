#!/usr/bin/env python3
"""Accuracies by stage, tables and figures of the continual runs of docs/results.md. Drawing needs python3-matplotlib.

    python3 docs/figures/continual.py collect runs/split_cifar10_rivals split-cifar10   # a sweep, or one run and its name
    python3 docs/figures/continual.py collect runs/fot_pmnist_iid pmnist-iid fot
    python3 docs/figures/continual.py table split-cifar10                               # ACC and FGT by variant
    python3 docs/figures/continual.py draw split-cifar10 "Split CIFAR-10"               # mean accuracy so far, by round

A run's stages.csv becomes PREFIX-VARIANT-SEED-stages.csv in docs/metrics, without the columns that follow from others.
"""
import csv
import json
import pathlib
import statistics
import sys

HERE = pathlib.Path(__file__).parent
METRICS = HERE.parent / "metrics"
KEPT = ("round", "stage", "ended", "on_stage", "accuracy")
ENDING = "-stages.csv"


def runs_of(folder, variant):
    """(variant, seed, folder) of a run, or of every finished run of a sweep."""
    if variant:
        yield variant, json.loads((folder / "summary.json").read_text())["seed"], folder
        return
    for run in sorted(folder.glob("*seed=*")):
        if (run / "summary.json").exists():
            name, seed = run.name.rsplit("_seed=", 1)
            yield name.replace("_", "-").replace("=", "-"), seed, run


def collect(folder, prefix, variant=None):
    for name, seed, run in runs_of(pathlib.Path(folder), variant):
        with open(run / "stages.csv", newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
        with open(METRICS / f"{prefix}-{name}-{seed}{ENDING}", "w", newline="") as file:
            writer = csv.DictWriter(file, KEPT, extrasaction="ignore", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


def variants_of(prefix):
    """Variant to the rows of its runs, seed by seed."""
    found = {}
    for path in sorted(METRICS.glob(f"{prefix}-*{ENDING}")):
        variant = path.name[len(prefix) + 1 : -len(ENDING)].rsplit("-", 1)[0]
        with open(path, newline="") as file:
            found.setdefault(variant, []).append(list(csv.DictReader(file)))
    return found


def measures(rows):
    """(ACC, FGT) in percent after the last stage: the mean of R[T][i], and of R[i][i] - R[T][i] over i < T."""
    matrix = {}
    for row in rows:
        if row["ended"] == "1":
            matrix[int(row["stage"]), int(row["on_stage"])] = 100 * float(row["accuracy"])
    last = max(stage for stage, _ in matrix)
    accuracy = statistics.mean(matrix[last, i] for i in range(1, last + 1))
    if any((i, i) not in matrix for i in range(1, last)):
        return accuracy, None  # all stages at once
    return accuracy, statistics.mean(matrix[i, i] - matrix[last, i] for i in range(1, last))


def with_spread(values):
    spread = f" ({statistics.stdev(values):.2f})" if len(values) > 1 else ""
    return f"{statistics.mean(values):.2f}{spread}"


def table(prefix):
    print("| method | ACC % | FGT |\n|---|---|---|")
    lines = []
    for variant, seeds in variants_of(prefix).items():
        pairs = [measures(rows) for rows in seeds]
        forgotten = [pair[1] for pair in pairs if pair[1] is not None]
        accuracy = [pair[0] for pair in pairs]
        lines.append((-statistics.mean(accuracy), variant, with_spread(accuracy), with_spread(forgotten) if forgotten else ""))
    for _, variant, accuracy, forgotten in sorted(lines):
        print(f"| {variant} | {accuracy} | {forgotten} |")


def curve(rows):
    """Mean accuracy on the stages seen so far, by round."""
    rounds = {}
    for row in rows:
        rounds.setdefault(int(row["round"]), []).append(100 * float(row["accuracy"]))
    return {number: statistics.mean(values) for number, values in rounds.items()}


def draw(prefix, title):
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "fedloom"  # the same picture, the same bytes
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 3.8), layout="constrained")
    ends = set()
    for variant, seeds in variants_of(prefix).items():
        curves = [curve(rows) for rows in seeds]
        rounds = sorted(set.intersection(*(set(one) for one in curves)))
        axes.plot(rounds, [statistics.mean(one[number] for one in curves) for number in rounds], label=variant, lw=1.2)
        ends |= {int(row["round"]) for rows in seeds for row in rows if row["ended"] == "1"}
    for end in ends:
        axes.axvline(end, color="0.85", lw=0.8, zorder=0)
    axes.set(title=title, xlabel="round", ylabel="mean accuracy on the stages so far, %")
    axes.grid(axis="y", alpha=0.3)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize="small")
    figure.savefig(HERE / f"{prefix}.svg", metadata={"Date": None})


if __name__ == "__main__":
    commands = {"collect": collect, "table": table, "draw": draw}
    if len(sys.argv) < 3 or sys.argv[1] not in commands:
        sys.exit(__doc__)
    commands[sys.argv[1]](*sys.argv[2:])
