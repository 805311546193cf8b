#!/usr/bin/env python3
"""FedBuff with 10,000 clients and 100,000 updates: wall time and memory, and the same hash after `kill -9`.

usage: benchmarks/fedbuff_scale.py [FEDLOOM]      default build/release/fedloom

Runs benchmarks/jobs/fedbuff_10k.yaml once whole, and once killed with all its workers after a third and after two thirds of
its rounds and resumed. Prints resident memory along the run and compares the hashes of models and events.
"""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent


def rounds_of(folder):
    log = folder / "run.jsonl"
    if not log.exists():
        return 0
    last = 0
    for line in log.read_text().splitlines()[-50:]:
        try:
            last = json.loads(line).get("window", last)
        except ValueError:
            pass  # the line that is being written
    return last


def run(program, folder, kill_at):
    command = [program, "run", str(HERE / "jobs/fedbuff_10k.yaml"), "--out", str(folder), "--quiet", "--no-report"]
    started = time.monotonic()
    for rounds in kill_at:
        process = subprocess.Popen(command + ["--resume"], start_new_session=True, stderr=subprocess.DEVNULL)
        while process.poll() is None and rounds_of(folder) < rounds:
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        print(f"  killed after round {rounds_of(folder)}")
    subprocess.run(command + ["--resume"], check=True, stderr=subprocess.DEVNULL)
    return json.loads((folder / "summary.json").read_text()), time.monotonic() - started


def main():
    program = sys.argv[1] if len(sys.argv) > 1 else "build/release/fedloom"
    with tempfile.TemporaryDirectory() as place:
        whole, seconds = run(program, pathlib.Path(place) / "whole", [])
        print(f"whole: {whole['clients_accepted']} updates of {whole['clients_accepted'] + whole['clients_dropped']} "
              f"tasks in {seconds:.0f} s; {whole['simulated_seconds']:.0f} s simulated")
        states = [json.loads(line) for line in open(pathlib.Path(place) / "whole/run.jsonl") if '"machine"' in line]
        print("round  resident of all processes, server (MB)")
        for state in states[len(states) // 10 - 1::len(states) // 10]:
            print(f"{state['window']:6d}  {state['resident_bytes_all'] / 1e6:7.1f}  {state['resident_bytes'] / 1e6:7.1f}")
        killed, _ = run(program, pathlib.Path(place) / "killed", [whole["rounds"] // 3, 2 * whole["rounds"] // 3])
        for key in ("model_hash", "events_hash"):
            print(f"{key}: {'the same' if killed[key] == whole[key] else 'DIFFERENT'}  {whole[key]}")
        return 0 if killed["model_hash"] == whole["model_hash"] and killed["events_hash"] == whole["events_hash"] else 1


if __name__ == "__main__":
    sys.exit(main())
