#!/usr/bin/env python3
"""Seconds per round of a deployed federation on loopback: one `fedloom server`, N `fedloom client` processes.

Prints one JSON line: median and spread of the round time, peak memory of the server and of a client.
    benchmarks/deployed_round.py --fedloom build/release/fedloom --clients 10 --megabytes 0.8 --transport tcp
With --device PROGRAM they are clients by that program (fedloom-client), and a thousand of them fit into memory.
With --strangers N so many connections come at half the rounds, every other one with garbage, the rest saying nothing, and
stay; the rounds before and after are told apart, and the ratio of their medians is printed.
With --keys both sides have keys, and every connection is encrypted.
With --experiment FILE the clients train as the file says; otherwise a round is empty: the model goes out,
an update of the same size comes back, nothing is trained.
"""
import argparse
import json
import os
import pathlib
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

EMPTY = """
seed: 1
rounds: {rounds}
data: {{source: synthetic, clients: {clients}}}
model: {{name: mlp, hidden: [{hidden}, {hidden}]}}
strategy: fedavg
train: {{epochs: 0, batch_size: 10, lr: 0.1}}
pacer: {{name: sync, clients_per_round: {clients}}}
sampler: all
evaluate: {{every: 0}}
checkpoint: {{every: 0}}
"""


def peak_memory(pid):
    try:
        for line in open(f"/proc/{pid}/status"):
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


class Keys:
    """A server's and a client's each; without --keys there are none and nothing is said of them."""

    def __init__(self, fedloom, folder, clients):
        self.folder = folder
        self.server = self.make(fedloom, "server.key")
        lines = [f"{self.make(fedloom, f'client{index}.key')} {index}\n" for index in range(clients)]
        pathlib.Path(f"{folder}/clients.keys").write_text("".join(lines))

    def make(self, fedloom, name):
        return subprocess.run([fedloom, "keygen", f"{self.folder}/{name}"], capture_output=True, text=True,
                              check=True).stdout.strip()

    def of_server(self):
        return ["--key", f"{self.folder}/server.key", "--clients", f"{self.folder}/clients.keys"]

    def of_client(self, index):
        return ["--key", f"{self.folder}/client{index}.key", "--set", f"deploy.server_key={self.server}"]

    def of_device(self, index):
        return f"key: {self.folder}/client{index}.key\nserver_key: '{self.server}'\n"


class Strangers(threading.Thread):
    """Comes to the port once half the rounds are done, and stays."""

    def __init__(self, endpoint, log, count, after):
        super().__init__(daemon=True)
        self.address = ("127.0.0.1", int(endpoint.rsplit(":", 1)[1]))
        self.log, self.count, self.after = log, count, after
        self.first_round = 0  # that began when they were coming
        self.sockets = []

    def rounds(self):
        return self.log.read_text().count('"event":"machine"') if self.log.exists() else 0

    def run(self):
        while (done := self.rounds()) < self.after:
            time.sleep(0.05)
        self.first_round = done + 1
        garbage = b"\xff\0\0\0\0\0\0\0\1\x7f\3\0NULL" + 200 * b"Z"  # begins as ZeroMQ's greeting does
        for index in range(self.count):
            try:
                self.sockets.append(socket.create_connection(self.address, timeout=5))
                if index % 2 == 0:
                    self.sockets[-1].sendall(garbage)
            except OSError:
                pass  # refused, or ended while it was talking


def milliseconds(rounds):
    return {"median": round(1e3 * statistics.median(rounds), 3),
            "p99": round(1e3 * sorted(rounds)[min(len(rounds) - 1, round(0.99 * len(rounds)))], 3)}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fedloom", default="build/release/fedloom")
    parser.add_argument("--clients", type=int, default=10)
    parser.add_argument("--megabytes", type=float, default=0.8)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--transport", choices=["tcp", "ipc"], default="tcp")
    parser.add_argument("--experiment")
    parser.add_argument("--device")
    parser.add_argument("--keys", action="store_true")
    parser.add_argument("--strangers", type=int, default=0)
    parser.add_argument("--set", action="append", default=[])
    arguments = parser.parse_args()
    if arguments.strangers and (arguments.transport != "tcp" or arguments.experiment):
        parser.error("strangers come by tcp, to empty rounds")
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    fedloom = str(pathlib.Path(arguments.fedloom).resolve())

    with tempfile.TemporaryDirectory() as folder:
        if arguments.experiment:
            experiment = str(pathlib.Path(arguments.experiment).resolve())
        else:
            # Synthetic data has 60 features and 10 classes: h^2 + 72 h + 10 parameters.
            hidden = max(1, round((arguments.megabytes * 1e6 / 4 + 36 ** 2 - 10) ** 0.5 - 36))
            experiment = f"{folder}/empty.yaml"
            pathlib.Path(experiment).write_text(
                EMPTY.format(rounds=arguments.rounds, clients=arguments.clients, hidden=hidden))
        keys = Keys(fedloom, folder, arguments.clients) if arguments.keys else None
        extra = [word for change in arguments.set for word in ("--set", change)]
        listen = "tcp://127.0.0.1:0" if arguments.transport == "tcp" else f"ipc://{folder}/s.sock"
        # A pipe is not a terminal, so the server prints plain lines.
        server = subprocess.Popen([fedloom, "server", experiment, "--listen", listen, "--out", f"{folder}/run",
                                   "--no-report", *extra, *(keys.of_server() if keys else [])], stderr=subprocess.PIPE, text=True)
        clients = []
        try:
            endpoint = None
            for line in server.stderr:
                if "listening on" in line:
                    endpoint = line.split("listening on ")[1].split(";")[0].strip()
                    break
            if endpoint is None:
                sys.exit("the server did not start")
            for index in range(arguments.clients):
                words = [fedloom, "client", experiment, "--connect", endpoint, "--client", str(index),
                         "--state", f"{folder}/state-{index}", "--quiet", *extra, *(keys.of_client(index) if keys else [])]
                if arguments.device:
                    file = pathlib.Path(f"{folder}/device-{index}.yaml")
                    file.write_text(f"connect: {endpoint}\nclient: {index}\nexperiment: {experiment}\n"
                                    f"state: state-{index}\nlimits: {{nice: 0}}\n"
                                    + (keys.of_device(index) if keys else ""))
                    words = [arguments.device, str(file), "--quiet"]
                clients.append(subprocess.Popen(words))
            client_peak = 0
            strangers = Strangers(endpoint, pathlib.Path(f"{folder}/run/run.jsonl"), arguments.strangers,
                                  arguments.rounds // 2)
            if arguments.strangers:
                strangers.start()
            for line in server.stderr:
                client_peak = max(client_peak, peak_memory(clients[0].pid))
            code = server.wait(timeout=600)
            for client in clients:
                client.wait(timeout=60)
        finally:
            for process in [server, *clients]:
                if process.poll() is None:
                    process.kill()
        if code != 0:
            sys.exit(f"the server ended with code {code}")
        walls = [json.loads(line)["wall_seconds"] for line in open(f"{folder}/run/run.jsonl")
                 if '"event":"machine"' in line]
        rounds = [b - a for a, b in zip(walls, walls[1:])][2:]  # the first rounds touch fresh memory
        summary = json.load(open(f"{folder}/run/summary.json"))
        disturbed = {}
        if arguments.strangers:
            quiet, flooded = rounds[:strangers.first_round - 4], rounds[strangers.first_round - 4:]
            disturbed = {"strangers": len(strangers.sockets), "quiet_milliseconds": milliseconds(quiet),
                         "flooded_milliseconds": milliseconds(flooded),
                         "ratio": round(statistics.median(flooded) / statistics.median(quiet), 3)}
        print(json.dumps({
            "clients": arguments.clients, "transport": arguments.transport, "rounds": len(walls),
            "median_round_seconds": round(statistics.median(rounds), 6),
            "p99_round_seconds": round(sorted(rounds)[min(len(rounds) - 1, round(0.99 * len(rounds)))], 6),
            "fastest_round_seconds": round(min(rounds), 6), "slowest_round_seconds": round(max(rounds), 6),
            "server_peak_megabytes": round(summary["peak_rss_bytes"]["server"] / 1e6, 1),
            "client_peak_megabytes": round(client_peak / 1e6, 1),
            "accuracy": summary["final_test_accuracy"], **disturbed}))


if __name__ == "__main__":
    main()
