#!/usr/bin/env python3
"""Prints a table of docs/results.md from docs/metrics: how far runs that go by time come, how soon and how calmly.

    python3 docs/figures/time_to_accuracy.py fedfix-f80 25 30      # prefix of the files, accuracies in %

A row per scheme, mean over its seeds (standard deviation): accuracy and loss at the end, standard deviation of accuracy
over the last quarter of the evaluations, and the first evaluation, in seconds of the federation's time, from which on
accuracy was reached; "k of n" where only k seeds reached it.
"""
import csv
import pathlib
import statistics
import sys

METRICS = pathlib.Path(__file__).parent.parent / "metrics"


def evaluations(file):
    """(seconds, accuracy in %, loss) of every evaluation, one for each moment."""
    with open(file, newline="") as rows:
        points = {
            int(row["tick"]): (100 * float(row["test_accuracy"]), float(row["test_loss"]))
            for row in csv.DictReader(rows)
            if row["test_accuracy"]
        }
    return [(tick / 1e9, *points[tick]) for tick in sorted(points)]


def spread(values, digits):
    text = f"{statistics.mean(values):.{digits}f}"
    return text if len(values) == 1 else f"{text} ({statistics.stdev(values):.{digits}f})"


def main():
    prefix, *targets = sys.argv[1:]
    schemes = {}
    for file in sorted(METRICS.glob(f"{prefix}-*.csv")):
        schemes.setdefault(file.stem[len(prefix) + 1 :].rsplit("-", 1)[0], []).append(evaluations(file))
    print("| scheme | seeds | accuracy % | loss | spread, last quarter |" + "".join(f" {t} % after s |" for t in targets))
    print("|---" * (5 + len(targets)) + "|")
    for scheme, runs in schemes.items():
        last = [run[len(run) * 3 // 4 :] for run in runs]
        cells = [
            scheme,
            str(len(runs)),
            spread([run[-1][1] for run in runs], 1),
            spread([run[-1][2] for run in runs], 3),
            spread([statistics.pstdev(point[1] for point in run) for run in last], 1),
        ]
        for target in map(float, targets):
            times = [next((t for t, accuracy, _ in run if accuracy >= target), None) for run in runs]
            reached = [t for t in times if t is not None]
            cells.append(
                "no"
                if not reached
                else spread(reached, 1) + ("" if len(reached) == len(runs) else f", {len(reached)} of {len(runs)}")
            )
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
