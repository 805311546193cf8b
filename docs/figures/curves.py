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

# Against the federation's time in seconds, mean and range over seeds 1 to 3: title, column, label of it, its limits, runs.
BY_TIME = {
    "mnist-bias": (
        "softmax on MNIST, one digit per client, F-80",
        "test_loss",
        "test loss",
        (0.26, 0.4),
        [
            ("bias-sync", "synchronous"),
            ("bias-async-weight", "asynchronous, unbiased"),
            ("bias-async-identical", "asynchronous, identical"),
            ("bias-fedfix-weight", "FedFix 0.2, unbiased"),
            ("bias-fedfix-identical", "FedFix 0.2, identical"),
        ],
    ),
    "fedfix-f80": (
        "CIFAR-10, Dirichlet(0.1), 20 clients, F-80",
        "test_accuracy",
        "test accuracy",
        (0.08, 0.45),
        [
            ("fedfix-f80-sync", "synchronous"),
            ("fedfix-f80-fedfix-0.8", "FedFix 0.8"),
            ("fedfix-f80-fedfix-0.5", "FedFix 0.5"),
            ("fedfix-f80-fedbuff-10", "FedBuff 10"),
            ("fedfix-f80-fedbuff-5", "FedBuff 5"),
            ("fedfix-f80-async-weight", "asynchronous, unbiased"),
            ("fedfix-f80-async-identical", "asynchronous, identical"),
        ],
    ),
    "fedfix-shakespeare": (
        "tiny Shakespeare, 21 speakers, F-80",
        "test_accuracy",
        "test accuracy",
        (0, 0.42),
        [
            ("fedfix-shakespeare-sync", "synchronous"),
            ("fedfix-shakespeare-fedfix-0.5", "FedFix 0.5"),
            ("fedfix-shakespeare-fedbuff-5", "FedBuff 5"),
            ("fedfix-shakespeare-async-weight", "asynchronous, unbiased"),
        ],
    ),
    "fedfix-f0": (
        "CIFAR-10, Dirichlet(0.1), 20 clients, F-0",
        "test_accuracy",
        "test accuracy",
        (0.08, 0.45),
        [
            ("fedfix-f0-sync", "synchronous"),
            ("fedfix-f0-fedfix-0.8", "FedFix 0.8"),
            ("fedfix-f0-fedfix-0.5", "FedFix 0.5"),
            ("fedfix-f0-fedbuff-10", "FedBuff 10"),
            ("fedfix-f0-async-weight", "asynchronous"),
        ],
    ),
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


def by_time(name, column):
    runs = []
    for seed in (1, 2, 3):
        with open(HERE.parent / "metrics" / f"{name}-{seed}.csv", newline="") as file:
            rows = {int(row["tick"]) / 1e9: float(row[column]) for row in csv.DictReader(file) if row[column]}
        runs.append(rows)
    times = sorted(set.intersection(*(set(rows) for rows in runs)))
    return times, [[rows[time] for rows in runs] for time in times]


for file_name, (title, column, label, limits, runs) in BY_TIME.items():
    figure, axes = plt.subplots(figsize=(6, 3.4), layout="constrained")
    for name, text in runs:
        times, values = by_time(name, column)
        (line,) = axes.plot(times, [sum(v) / len(v) for v in values], label=text)
        axes.fill_between(times, [min(v) for v in values], [max(v) for v in values], color=line.get_color(), alpha=0.2)
    axes.set(title=title, xlabel="simulated time, s", ylabel=label, ylim=limits, xlim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend(loc="upper right" if column == "test_loss" else "upper left", fontsize="small")
    figure.savefig(HERE / f"{file_name}.svg", metadata={"Date": None})
    plt.close(figure)
