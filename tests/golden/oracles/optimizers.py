#!/usr/bin/env python3
"""Ten steps of PyTorch's optimizers on given gradients, in double precision.

Writes optimizers.json beside this script: for every case the optimizer with its settings as fedloom's YAML has
them, the learning rate, and the weights after each step. All cases share the start and the gradients, which are
floats. Gradients reach from 1e-8, where eps decides, to 100; one weight has none at all. Weights keep away from
zero, so that a relative tolerance means something.

    python3 optimizers.py
"""
import json
import os

import torch

STEPS = 10
SCALES = (1e-8, 1e-5, 1e-3, 0.1, 1.0, 10.0, 100.0, 0.0)
CASES = (
    # optimizer, settings, PyTorch's class, its arguments, learning rate
    ("sgd", {}, torch.optim.SGD, {}, 1e-4),
    ("sgd", {"momentum": 0.9}, torch.optim.SGD, {"momentum": 0.9}, 1e-4),
    ("sgd", {"weight_decay": 0.5}, torch.optim.SGD, {"weight_decay": 0.5}, 1e-4),
    ("sgd", {"momentum": 0.9, "weight_decay": 0.5}, torch.optim.SGD,
     {"momentum": 0.9, "weight_decay": 0.5}, 1e-4),
    ("sgd", {"momentum": 0.8, "nesterov": True, "weight_decay": 0.01}, torch.optim.SGD,
     {"momentum": 0.8, "nesterov": True, "weight_decay": 0.01}, 1e-4),
    ("adam", {}, torch.optim.Adam, {}, 1e-2),
    ("adam", {"beta1": 0.5, "beta2": 0.9, "eps": 0.001, "weight_decay": 0.1}, torch.optim.Adam,
     {"betas": (0.5, 0.9), "eps": 0.001, "weight_decay": 0.1}, 1e-2),
    ("adamw", {}, torch.optim.AdamW, {}, 1e-2),
    ("adamw", {"beta1": 0.8, "beta2": 0.95, "eps": 1e-6, "weight_decay": 0.3}, torch.optim.AdamW,
     {"betas": (0.8, 0.95), "eps": 1e-6, "weight_decay": 0.3}, 1e-2),
    ("adagrad", {}, torch.optim.Adagrad, {}, 1e-2),
    ("adagrad", {"lr_decay": 0.1, "initial_accumulator": 0.5, "eps": 0.001, "weight_decay": 0.1},
     torch.optim.Adagrad,
     {"lr_decay": 0.1, "initial_accumulator_value": 0.5, "eps": 0.001, "weight_decay": 0.1}, 1e-2),
)


def floats(tensor):
    return [float(value) for value in tensor.float()]


def walk(make, arguments, rate, start, gradients):
    weights = torch.nn.Parameter(start.double())
    optimizer = make([weights], lr=rate, **arguments)
    path = []
    for gradient in gradients:
        weights.grad = gradient.double()
        optimizer.step()
        path.append([float(value) for value in weights.detach()])
    return path


def main():
    torch.manual_seed(1)
    signs = torch.tensor([1.0, -1.0] * (len(SCALES) // 2))
    start = (1.0 + torch.rand(len(SCALES))) * signs
    scales = torch.tensor(SCALES)
    # Mostly of one sign, so that momentum and means build up, and now and then against it.
    gradients = [(torch.randn(len(SCALES)) + 0.5) * scales for _ in range(STEPS)]
    cases = [{"optimizer": name, "settings": settings, "learning_rate": rate,
              "weights": walk(make, arguments, rate, start, gradients)}
             for name, settings, make, arguments, rate in CASES]
    output = {"script": "optimizers.py", "pytorch": torch.__version__, "start": floats(start),
              "gradients": [floats(gradient) for gradient in gradients], "cases": cases}
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "optimizers.json"), "w") as file:
        json.dump(output, file, indent=0)
        file.write("\n")


if __name__ == "__main__":
    main()
