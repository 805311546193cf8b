#!/usr/bin/env python3
"""Records what PyTorch computes for every model of the zoo, for tests/conformance/oracle_test.cpp.

    python3 tests/golden/oracles/models.py             all oracles (PyTorch 1.13, about five minutes)
    python3 tests/golden/oracles/models.py cnn vit     those whose file names start so
    python3 tests/golden/oracles/models.py --check     also runs PyTorch in float, and prints how far it is off

A new model needs: its class in zoo.py with the slice names it has in fedloom, and two cases below, one of
small widths (every gradient whole) and one of the size that people use (a summary of every gradient).
Where a model's widths are fixed, small images make it small.

Each case is one safetensors file. Its metadata entry "case" is YAML that says all the test needs: the model's
name and settings, the form of the data, the adaptation, and for each slice how it is filled. Values are not
stored but computed on both sides from integers (`units` in recording.py). PyTorch runs in double, so that what
the test measures is the rounding of one side only; the starting values are floats exactly.

Tensors of a file (float; "loss" and "losses" double), where B is the batch and NAME a slice:
  logits, loss             training mode (batch statistics), mean loss of the batch
  gradient/NAME            of the mean loss, whole, or
  summary/NAME             [sum, L2 norm, entries at `entry_places`]
  gradient/input           of the mean loss in the features (whole or summary)
  statistic/NAME           running statistics after that forward pass
  eval/logits              evaluation mode at the start, with the statistics that the start was filled with
  losses                   mean losses of ten SGD steps on the batch, before each step
  trained/logits           evaluation mode after the ten steps
  trained/statistic/NAME   running statistics after them
"""
import argparse
import math
import os
from functools import partial

import torch

import zoo
from recording import Case, differences, run, write

MNIST = [1, 28, 28]
CIFAR = [3, 32, 32]


def small(name, model, build, shape, **more):
    return Case(f"{name}-small", model, build, shape, 4, whole=True, **more)


def full(name, model, build, shape, classes=10, **more):
    return Case(f"{name}-full", model, build, shape, classes, **more)


# In all of these `build` makes the module from (shape, classes).
def perceptrons():
    def perceptron(hidden, names, shape, classes):
        return zoo.Perceptron(math.prod(shape), [*hidden, classes], names)

    softmax = partial(perceptron, [], ["fc"])
    yield small("softmax", "softmax", softmax, [9])
    yield full("softmax", "softmax", softmax, MNIST, batch=10, rate=0.01)
    yield small("mlp", "mlp", partial(perceptron, [7, 5], None), [9], settings={"hidden": [7, 5]})
    two = partial(perceptron, [200, 200], None)
    yield full("mlp", "mlp", two, MNIST, settings={"hidden": [200, 200]}, batch=10)
    lora = {"method": "lora", "targets": ["fc1", "fc2"], "train": ["fc3"], "rank": 3, "alpha": 6.0}
    adapted = partial(zoo.Perceptron, lora=(("fc1", "fc2"), lora["rank"], lora["alpha"]))
    yield small("mlp_lora", "mlp", lambda shape, classes: adapted(9, [7, 5, classes]), [9],
                settings={"hidden": [7, 5]}, adaptation=lora)
    yield small("2nn", "2nn", two, [6])
    yield full("2nn", "2nn", two, MNIST, batch=10, gain=1.4, rate=0.02)


def convolutions():
    cnn = partial(zoo.ConvThenDense, [(32, 5, 2), (64, 5, 2)], [512])
    yield small("cnn", "cnn", cnn, [2, 4, 4])
    yield full("cnn", "cnn", cnn, MNIST, rate=0.02)
    lenet = partial(zoo.ConvThenDense, [(6, 5, 2), (16, 5, 0)], [120, 84])
    yield small("lenet5", "lenet5", lenet, [1, 12, 12], gain=1.4, rate=0.02)
    yield full("lenet5", "lenet5", lenet, MNIST, batch=10, gain=1.4, rate=0.02)
    flower = partial(zoo.ConvThenDense, [(6, 5, 0), (16, 5, 0)], [120, 84])
    yield small("cifar_cnn", "cifar_cnn", flower, [3, 16, 16], gain=1.4, rate=0.02)
    yield full("cifar_cnn", "cifar_cnn", flower, CIFAR, batch=10, gain=1.4, rate=0.02)
    yield small("pfl_cnn", "pfl_cnn", zoo.PflCnn, [3, 8, 8], settings={"dropout": False})
    yield full("pfl_cnn", "pfl_cnn", zoo.PflCnn, CIFAR, settings={"dropout": False}, rate=0.02)
    alexnet = partial(zoo.ConvThenDense, [(64, 4, 0), (128, 3, 0), (256, 2, 0)], [2048, 2048], last="head",
                      bias=False)
    yield small("alexnet", "alexnet", alexnet, [1, 21, 21], settings={"dropout": False}, batch=2, rate=0.01)
    yield full("alexnet", "alexnet", alexnet, CIFAR, settings={"dropout": False}, batch=2, rate=0.01)


def residual_nets():
    def resnet(depth, norm, shape, classes):
        return zoo.ResNet(shape, classes, [16, 32, 64], (depth - 2) // 6, norm)

    # Published weights are those of batch normalisation; federated papers put groups in its place.
    for norm in ("batch", "group"):
        more = {"groups": 8} if norm == "group" else {}
        yield small(f"resnet-{norm}", "resnet", partial(resnet, 8, norm), [3, 8, 8],
                    settings={"depth": 8, "norm": norm, **more}, gain=1.4)
        # With salt 0 a ReLU input within rounding of zero decides entries of the input gradient.
        yield full(f"resnet20-{norm}", "resnet", partial(resnet, 20, norm), CIFAR,
                   settings={"depth": 20, "norm": norm}, gain=1.4, rate=0.001,
                   salt=2 if norm == "batch" else 0)

    def reduced(width, norm, shape, classes):
        widths = [width * 2**i for i in range(4)]
        return zoo.ResNet(shape, classes, widths, 2, norm, option_a=False, pool="2x2", bias=False)

    for norm in ("none", "batch", "batch_stats"):
        gain, rate = (0.7, 0.1) if norm == "none" else (1.4, 0.005)
        yield small(f"resnet18-{norm}", "resnet18", partial(reduced, 3, norm), [3, 16, 16],
                    settings={"width": 3, "norm": norm}, gain=gain, rate=rate)
        # With salt 0 a ReLU's input lies so close to zero that PyTorch's own float run is off by 6e-3.
        yield full(f"resnet18-{norm}", "resnet18", partial(reduced, 20, norm), CIFAR,
                   settings={"width": 20, "norm": norm}, gain=gain, rate=rate, salt=0 if norm == "none" else 3)


def transformers():
    tiny = {"patch": 4, "dim": 12, "depth": 2, "heads": 3}
    usual = {"patch": 4, "dim": 192, "depth": 6, "heads": 3}
    yield small("vit", "vit", partial(zoo.ViT, **tiny), [3, 8, 8], settings=tiny)
    yield full("vit", "vit", partial(zoo.ViT, **usual), CIFAR, settings=usual, batch=2, rate=0.02)
    lora = {"method": "lora", "targets": ["blocks.*.attn.query", "blocks.*.attn.value"], "train": ["head"],
            "rank": 4, "alpha": 8.0}
    factors = (lora["rank"], lora["alpha"])
    yield small("vit_lora", "vit", partial(zoo.ViT, **tiny, lora=factors), [3, 8, 8], settings=tiny,
                adaptation=lora)
    yield full("vit_lora", "vit", partial(zoo.ViT, **usual, lora=factors), CIFAR, settings=usual, batch=2,
               rate=0.02, adaptation=lora)
    tiny = {"patch": 4, "dim": 10, "depth": 2, "token_hidden": 6, "channel_hidden": 14}
    usual = {"patch": 4, "dim": 128, "depth": 4, "token_hidden": 64, "channel_hidden": 512}
    yield small("mlp_mixer", "mlp_mixer", partial(zoo.Mixer, **tiny), [3, 8, 12], settings=tiny)
    yield full("mlp_mixer", "mlp_mixer", partial(zoo.Mixer, **usual), CIFAR, settings=usual, batch=2, rate=0.02)


def texts():
    tiny = {"embedding": 5, "hidden": 7, "layers": 2}
    leaf = {"embedding": 8, "hidden": 256, "layers": 2}
    yield small("char_lstm", "char_lstm", partial(zoo.CharLstm, 20, **tiny), [6], vocabulary=20, settings=tiny)
    yield full("char_lstm", "char_lstm", partial(zoo.CharLstm, 80, **leaf), [80], classes=80, vocabulary=80,
               settings=leaf, rate=0.5)
    tiny = {"dim": 12, "depth": 2, "heads": 3}
    usual = {"dim": 128, "depth": 2, "heads": 4}
    yield small("text_transformer", "text_transformer", partial(zoo.TextTransformer, 20, **tiny), [6],
                vocabulary=20, settings=tiny, masked=True)
    yield full("text_transformer", "text_transformer", partial(zoo.TextTransformer, 5000, **usual), [48],
               classes=2, vocabulary=5000, settings=usual, rate=0.02, masked=True)


def cases():
    for group in (perceptrons, convolutions, residual_nets, transformers, texts):
        yield from group()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="beginnings of file names; all without")
    parser.add_argument("--folder", default=os.path.dirname(os.path.abspath(__file__)))
    parser.add_argument("--check", action="store_true", help="compare with a run of PyTorch in float")
    options = parser.parse_args()
    for case in cases():
        if options.names and not case.file.startswith(tuple(options.names)):
            continue
        rows, result = run(case, torch.float64)
        size = write(options.folder, case, rows, result)
        losses = result["losses"]
        print(f"{case.file}: {size} bytes, {sum(math.prod(r['shape']) for r in rows)} floats, "
              f"losses {losses[0]:.4f} .. {losses[-1]:.4f}", flush=True)
        if options.check:
            print("   float:", differences(result, run(case, torch.float32)[1]), flush=True)


if __name__ == "__main__":
    main()
