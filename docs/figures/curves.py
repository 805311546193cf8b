#!/usr/bin/env python3
"""Draws the learning curves of docs/results.md from docs/metrics. Needs python3-matplotlib.

    python3 docs/figures/curves.py        # from anywhere; writes next to itself
"""
import csv
import pathlib

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "fedloom"  # the same picture, the same bytes
import matplotlib.pyplot as plt

HERE = pathlib.Path(__file__).parent
FIGURES = {
    "trec": ("TREC questions, transformer", [("trec-federated-1", "FedAvg"), ("trec-centralised-1", "centralised")]),
    "shakespeare": (
        "tiny Shakespeare by speaker, LSTM",
        [("shakespeare-federated-1", "FedAvg"), ("shakespeare-centralised-1", "centralised")],
    ),
    "cifar10-pfl": ("CIFAR-10, 1000 users, 50 per round", [("cifar10-pfl-1", "FedAvg")]),
}


def curve(name):
    with open(HERE.parent / "metrics" / f"{name}.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["test_accuracy"]]
    return [int(row["round"]) for row in rows], [100 * float(row["test_accuracy"]) for row in rows]


for file_name, (title, runs) in FIGURES.items():
    figure, axes = plt.subplots(figsize=(6, 3.4), layout="constrained")
    for name, label in runs:
        axes.plot(*curve(name), label=label, marker=".", markersize=4)
    axes.set(title=title, xlabel="round", ylabel="test accuracy, %", ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    figure.savefig(HERE / f"{file_name}.svg", metadata={"Date": None})
    plt.close(figure)
