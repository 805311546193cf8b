#!/usr/bin/env python3
"""What a deployed client takes: size of the program, peak memory, time from its start to its first update.

    benchmarks/client_figures.py [--runs 5] [--client 'qemu-aarch64 -L build/sysroot-arm64 build/client-arm64/fedloom-client']

A server (build/release/fedloom) and one client with 600 images of MNIST as IDX files of its own, three rounds of one epoch,
B = 20. The time includes the first epoch. Memory is the resident peak of the client's process as the kernel counts
it; under qemu, what the guest has mapped, without the emulator (guest_memory). How near the two ways are shows a program
of this machine's own kind: --client 'qemu-x86_64 build/client/fedloom-client'. Needs MNIST in FEDLOOM_DATA or ./data.
Prints medians with the smallest and the largest.
"""
import argparse
import gzip
import os
import pathlib
import shlex
import statistics
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
EXPERIMENT = """
seed: 1
rounds: 3
data: {{source: mnist, partition: iid, clients: 1, train_limit: 600, test_limit: 100}}
model: {model}
strategy: fedavg
train: {{epochs: 1, batch_size: 20, lr: 0.05}}
pacer: {{name: sync, clients_per_round: 1}}
evaluate: {{every: 0}}
"""


def own_files(folder):
    """The first 600 images of MNIST: an IDX file begins with its kind and its dimensions, big endian."""
    folder.mkdir()
    mnist = pathlib.Path(os.environ.get("FEDLOOM_DATA", "data"), "mnist")
    for name, header, size in (("train-images-idx3-ubyte", 16, 784), ("train-labels-idx1-ubyte", 8, 1)):
        with gzip.open(mnist / f"{name}.gz") as file:
            begin = file.read(header)
            (folder / name).write_bytes(begin[:4] + (600).to_bytes(4, "big") + begin[8:] + file.read(600 * size))


def guest_memory(process):
    """Resident bytes of what a guest of qemu has mapped. On x86-64 it lies below the emulator, which is loaded at
    0x55… and above, with its own libraries, heap and translated code."""
    total = 0
    try:
        with open(f"/proc/{process}/smaps") as file:
            for line in file:
                begin = line.split("-", 1)[0] if line[0] in "0123456789abcdef" else None
                if begin is not None and int(begin, 16) >= 0x500000000000:
                    break
                if line.startswith("Rss:"):
                    total += 1024 * int(line.split()[1])
    except OSError:  # it has ended
        pass
    return total


def watch(process, ended, peaks):
    """Appends what the guest's memory is, every 2 ms or as often as it can be read."""
    while not ended.wait(0.002):
        peaks.append(guest_memory(process))


def once(model, client, folder):
    """(seconds to the first update, peak resident bytes)"""
    experiment = pathlib.Path(folder, "exp.yaml")
    experiment.write_text(EXPERIMENT.format(model=model))
    server = subprocess.Popen(
        [ROOT / "build/release/fedloom", "server", experiment, "--listen", "tcp://127.0.0.1:0", "--no-report"]
        + ["--out", pathlib.Path(folder, "run")],
        stderr=subprocess.PIPE,
        text=True,
    )
    line = next(line for line in server.stderr if "listening on " in line)
    endpoint = line.split("listening on ")[1].split(";")[0]
    own_files(pathlib.Path(folder, "own"))
    device = pathlib.Path(folder, "device.yaml")
    device.write_text(
        f"connect: {endpoint}\nclient: 0\ndata: {{source: {{name: idx, classes: 10}}}}\nfolder: own\n"
        "limits: {nice: 0}\n"
    )
    begin = time.monotonic()
    process = subprocess.Popen([*client, device], stderr=subprocess.PIPE, text=True)
    ended, peaks = threading.Event(), []
    if "qemu" in client[0]:
        threading.Thread(target=watch, args=(process.pid, ended, peaks)).start()
    first = None
    for line in process.stderr:
        if first is None and line.startswith("round 1:"):
            first = time.monotonic() - begin
    ended.set()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    server.communicate()
    if process.returncode != 0 or first is None:
        raise SystemExit(f"the client ended with {process.returncode}")
    return first, max(peaks, default=usage.ru_maxrss * 1024)


def spread(values, unit, digits):
    return f"{statistics.median(values):.{digits}f} {unit} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--client", default=str(ROOT / "build/client/fedloom-client"))
    parser.add_argument("--models", nargs="+", default=["lenet5", "cnn"], help="cnn takes minutes under qemu")
    arguments = parser.parse_args()
    client = shlex.split(arguments.client)
    print(f"program: {os.path.getsize(client[-1]) / 1e6:.2f} MB")
    for model in arguments.models:
        results = []
        for _ in range(arguments.runs):
            with tempfile.TemporaryDirectory() as folder:
                results.append(once(model, client, folder))
        times, peaks = zip(*results)
        print(
            f"{model}: first update after {spread([1000 * t for t in times], 'ms', 0)},"
            f" peak memory {spread([peak / 1e6 for peak in peaks], 'MB', 1)}"
        )


if __name__ == "__main__":
    main()
