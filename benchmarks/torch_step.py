#!/usr/bin/env python3
"""One step of training in PyTorch: the other side of train_step, with its model names and JSON fields.

Eager, contiguous (NCHW), batches made beforehand, and the leanest loop there is: autograd.grad and one fused
in-place addition. The threads of the BLAS are set by OPENBLAS_NUM_THREADS and OMP_NUM_THREADS, which
side_by_side.py does; flops are counted while the network runs.
    OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 benchmarks/torch_step.py --model mcnn --batch 10 --steps 100
"""
import argparse
import json
import statistics
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

BATCHES = 16  # so that the inputs are not always in the nearest cache
WARM_UP = 0.3  # seconds
CLASSES = 10


class Product(nn.Module):
    """A matrix product as a module, so that the count of flops sees it."""

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return a @ b


class Adapted(nn.Module):
    """x A B, the low-rank part of a frozen weight."""

    def __init__(self, width: int, rank: int):
        super().__init__()
        self.a = nn.Parameter(torch.randn(width, rank) / rank)
        self.b = nn.Parameter(torch.zeros(rank, width))
        self.down, self.up = Product(), Product()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.up(self.down(x, self.a), self.b)


class Attention(nn.Module):
    """Self-attention with adapters on queries and values."""

    def __init__(self, width: int, heads: int, rank: int):
        super().__init__()
        self.heads = heads
        self.inputs, self.output = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.query, self.value = Adapted(width, rank), Adapted(width, rank)
        self.scores, self.mix = Product(), Product()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        count, positions, width = x.shape
        q, k, v = self.inputs(x).split(width, dim=2)
        q, v = q + self.query(x), v + self.value(x)
        q, k, v = (t.unflatten(2, (self.heads, -1)).transpose(1, 2) for t in (q, k, v))
        scale = (width // self.heads) ** -0.5
        weights = F.softmax(self.scores(q * scale, k.transpose(2, 3)), dim=3)
        return self.output(self.mix(weights, v).transpose(1, 2).reshape(count, positions, width))


class TransformerBlock(nn.Module):
    def __init__(self, width: int, heads: int, rank: int):
        super().__init__()
        self.attention = nn.Sequential(nn.LayerNorm(width), Attention(width, heads, rank))
        self.mlp = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(),
                                 nn.Linear(4 * width, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attention(x)
        return x + self.mlp(x)


class VisionTransformer(nn.Module):
    """Patches of 4, only adapters and the head are trained."""

    def __init__(self, width: int = 192, depth: int = 6, heads: int = 3, rank: int = 4):
        super().__init__()
        self.patches = nn.Linear(3 * 4 * 4, width)
        self.token = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.position = nn.Parameter(torch.randn(1, 65, width) * 0.02)
        self.blocks = nn.Sequential(*(TransformerBlock(width, heads, rank) for _ in range(depth)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, CLASSES)
        self.requires_grad_(False)
        self.head.requires_grad_(True)
        for module in self.modules():
            if isinstance(module, Adapted):
                module.requires_grad_(True)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        count = len(images)
        pieces = images.view(count, 3, 8, 4, 8, 4).permute(0, 2, 4, 1, 3, 5).reshape(count, 64, 48)
        x = torch.cat([self.token.expand(count, 1, -1), self.patches(pieces)], dim=1) + self.position
        return self.head(self.norm(self.blocks(x))[:, 0])


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions; a shortcut between stages drops every other pixel and pads the maps with zeros."""

    def __init__(self, inputs: int, maps: int):
        super().__init__()
        self.stride = maps // inputs
        self.padding = (maps - inputs) // 2
        self.branch = nn.Sequential(
            nn.Conv2d(inputs, maps, 3, self.stride, 1, bias=False), nn.GroupNorm(8, maps), nn.ReLU(),
            nn.Conv2d(maps, maps, 3, 1, 1, bias=False), nn.GroupNorm(8, maps))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shortcut = x
        if self.stride > 1:
            shortcut = F.pad(x[:, :, ::self.stride, ::self.stride], (0, 0, 0, 0, self.padding, self.padding))
        return F.relu(self.branch(x) + shortcut)


def resnet20() -> nn.Module:
    maps = [16, 16, 16, 16, 32, 32, 32, 64, 64, 64]
    blocks = [ResidualBlock(a, b) for a, b in zip(maps, maps[1:])]
    return nn.Sequential(nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.GroupNorm(8, 16), nn.ReLU(), *blocks,
                         nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, CLASSES))


def two_convolutions(inputs: int, maps: tuple, padding: tuple, hidden: list) -> nn.Module:
    """5x5 convolutions with ReLU and pooling, then dense layers of `hidden` (the first is its input)."""
    layers = []
    for a, b, margin in zip((inputs, maps[0]), maps, padding):
        layers += [nn.Conv2d(a, b, 5, padding=margin), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), perceptron(hidden))


def perceptron(widths: list) -> nn.Module:
    layers = []
    for a, b in zip(widths, widths[1:]):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], CLASSES))


MNIST, CIFAR = (1, 28, 28), (3, 32, 32)
MODELS = {
    "softmax": ((784,), lambda: perceptron([784])),
    "2nn": ((784,), lambda: perceptron([784, 200, 200])),
    "mcnn": (MNIST, lambda: two_convolutions(1, (32, 64), (2, 2), [3136, 512])),
    "lenet5": (MNIST, lambda: two_convolutions(1, (6, 16), (2, 0), [400, 120, 84])),
    "cifarcnn": (CIFAR, lambda: two_convolutions(3, (6, 16), (0, 0), [400, 120, 84])),
    "vit_lora": (CIFAR, VisionTransformer),
    "resnet20gn": (CIFAR, resnet20),
}


def step_flops(network: nn.Module, x: torch.Tensor) -> float:
    """Flops of a step on the batch x: 2 x multiply-adds of every linear map's forward pass and of each gradient
    that autograd will compute for it."""
    total = 0

    def count(module, inputs, output):
        nonlocal total
        if isinstance(module, nn.Conv2d):
            forward = output.numel() * module.weight[0].numel()
        else:
            forward = output.numel() * inputs[0].shape[-1]
        factors = inputs if isinstance(module, Product) else (inputs[0], module.weight)
        total += 2 * forward * (1 + sum(factor.requires_grad for factor in factors))

    hooks = [module.register_forward_hook(count) for module in network.modules()
             if isinstance(module, (nn.Linear, nn.Conv2d, Product))]
    network(x)
    for hook in hooks:
        hook.remove()
    return total


def blas() -> str:
    """File of the BLAS that PyTorch multiplies with; Debian's own build takes whatever libblas.so.3 is."""
    with open("/proc/self/maps") as maps:
        files = sorted({line.split()[-1] for line in maps if "blas" in line or "mkl_rt" in line})
    return ", ".join(files) or "built in"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=MODELS, default="2nn")
    parser.add_argument("--batch", type=int, default=10)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--reps", type=int, default=7)
    arguments = parser.parse_args()
    if min(arguments.batch, arguments.steps, arguments.threads, arguments.reps) < 1:
        sys.exit("torch_step.py: --batch, --steps, --threads and --reps are at least 1")
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)
    shape, make = MODELS[arguments.model]
    network = make()
    trained = [p for p in network.parameters() if p.requires_grad]
    images = torch.randn(BATCHES, arguments.batch, *shape)
    labels = torch.randint(0, CLASSES, (BATCHES, arguments.batch))
    flops = step_flops(network, images[0])

    def train(steps: int) -> tuple:
        """Wall and processor milliseconds of a step."""
        wall, cpu = time.perf_counter(), time.process_time()
        for i in range(steps):
            loss = F.cross_entropy(network(images[i % BATCHES]), labels[i % BATCHES])
            gradients = torch.autograd.grad(loss, trained)
            with torch.no_grad():
                torch._foreach_add_(trained, gradients, alpha=-0.01)
        return (time.perf_counter() - wall) / steps * 1e3, (time.process_time() - cpu) / steps * 1e3

    end = time.perf_counter() + WARM_UP
    train(2)
    while time.perf_counter() < end:
        train(max(1, arguments.steps // 10))
    wall, cpu = zip(*(train(arguments.steps) for _ in range(arguments.reps)))
    ms, cpu_ms = statistics.median(wall), statistics.median(cpu)
    print(json.dumps({
        "bench": "torch_step", "model": arguments.model, "mode": "eager", "batch": arguments.batch,
        "threads": arguments.threads, "clients": 1, "channels_last": False,
        "params": sum(p.numel() for p in network.parameters()), "trainable": sum(p.numel() for p in trained),
        "steps": arguments.steps, "reps": arguments.reps,
        "ms_step": ms, "ms_min": min(wall), "ms_max": max(wall), "cpu_ms_step": cpu_ms,
        "samples_s": arguments.batch / ms * 1e3, "flop_per_sample": flops / arguments.batch,
        "gflops": flops / ms * 1e-6, "gflops_per_cpu_s": flops / cpu_ms * 1e-6, "torch": torch.__version__, "blas": blas()}))


if __name__ == "__main__":
    main()
