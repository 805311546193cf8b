#!/usr/bin/env python3
"""Metrics, tables and figures of the federated LoRA runs of docs/results.md. Drawing needs python3-matplotlib.

    python3 docs/figures/lora.py collect runs/pacs_feature_shift pacs-feature   # a finished sweep into docs/metrics
    python3 docs/figures/lora.py table pacs-feature client_accuracy_mean        # a row per variant, from docs/metrics
    python3 docs/figures/lora.py draw pacs-feature "PACS, a domain per client" error  # by round; or relative

Metrics of a run become PREFIX-VARIANT-SEED.csv. What the methods report after every round is in the event log alone, so
its means over seeds become PREFIX-errors.csv: variant, round, |ideal - applied| and the same over |ideal|.
"""
import csv
import json
import pathlib
import shutil
import statistics
import sys

HERE = pathlib.Path(__file__).parent
METRICS = HERE.parent / "metrics"


def runs_of(sweep):
    """(variant, seed, folder) of every finished run."""
    for folder in sorted(pathlib.Path(sweep).glob("*seed=*")):
        if (folder / "summary.json").exists():
            variant, seed = folder.name.rsplit("_seed=", 1)
            yield variant.replace("_", "-").replace("=", "-"), seed, folder


def errors_of(folder):
    with open(folder / "events.jsonl") as lines:
        for event in map(json.loads, lines):
            metrics = event.get("metrics", {})
            if event["event"] == "window_closed" and "aggregation_error" in metrics:
                yield event["window"], metrics["aggregation_error"], metrics.get("aggregation_error_relative")


def mean_text(values):
    return "" if None in values else f"{statistics.mean(values):.6g}"  # FedSA-LoRA's server cannot know the ideal


def collect(sweep, prefix):
    errors = {}
    for variant in {variant for variant, _, _ in runs_of(sweep)}:
        for old in METRICS.glob(f"{prefix}-{variant}-[0-9]*.csv"):
            old.unlink()
    for variant, seed, folder in runs_of(sweep):
        shutil.copy(folder / "metrics.csv", METRICS / f"{prefix}-{variant}-{seed}.csv")
        for window, error, relative in errors_of(folder):
            errors.setdefault((variant, window), []).append((error, relative))
    with open(METRICS / f"{prefix}-errors.csv", "w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["variant", "round", "error", "relative"])
        for (variant, window), values in sorted(errors.items()):
            rows.writerow([variant, window, *map(mean_text, zip(*values))])


def last_rows(prefix, column):
    """The last evaluation of every run, by variant: of those that the errors file names, as prefixes may begin alike."""
    with open(METRICS / f"{prefix}-errors.csv", newline="") as lines:
        variants = {row["variant"]: [] for row in csv.DictReader(lines)}
    for variant, last in variants.items():
        for file in sorted(METRICS.glob(f"{prefix}-{variant}-*.csv")):
            if file.stem[len(prefix) + len(variant) + 2 :].isdigit():
                with open(file, newline="") as lines:
                    last.append([row for row in csv.DictReader(lines) if row[column]][-1])
    return variants


def table(prefix, column="test_accuracy"):
    print("| variant | seeds | accuracy % (SD) | loss | up MB | down MB |\n|---|---|---|---|---|---|")
    for variant, rows in last_rows(prefix, column).items():
        accuracies = [100 * float(row[column]) for row in rows]
        spread = f" ({statistics.stdev(accuracies):.1f})" if len(rows) > 1 else ""
        mean = {name: statistics.mean(float(row[name]) for row in rows) for name in ("test_loss", "bytes_up", "bytes_down")}
        print(
            f"| {variant} | {len(rows)} | {statistics.mean(accuracies):.1f}{spread} | {mean['test_loss']:.3f} "
            f"| {mean['bytes_up'] / 1e6:.2f} | {mean['bytes_down'] / 1e6:.2f} |"
        )


def draw(prefix, title, column="relative"):
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "fedloom"  # the same picture, the same bytes
    import matplotlib.pyplot as plt

    curves = {}
    with open(METRICS / f"{prefix}-errors.csv", newline="") as lines:
        for row in csv.DictReader(lines):
            curves.setdefault(row["variant"], []).append((int(row["round"]), float(row[column])))
    figure, axes = plt.subplots(figsize=(6.5, 3.8), layout="constrained")
    for variant, points in curves.items():
        axes.semilogy(*zip(*sorted(points)), label=variant)
    axes.set(title=title, xlabel="round", ylabel="aggregation error" + (", relative" if column == "relative" else ""))
    axes.grid(alpha=0.3)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize="small")
    figure.savefig(HERE / f"{prefix}-errors.svg", metadata={"Date": None})


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] not in ("collect", "table", "draw"):
        sys.exit(__doc__)
    {"collect": collect, "table": table, "draw": draw}[sys.argv[1]](*sys.argv[2:])
