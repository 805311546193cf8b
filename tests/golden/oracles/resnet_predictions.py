#!/usr/bin/env python3
"""Which class PyTorch gives every CIFAR-10 test image with published ResNet weights.

Reads cifar-10/test_batch.bin[.xz] and weights/resnetDEPTH-cifar10.safetensors in the data folder, runs the
network (K. He et al., Deep Residual Learning for Image Recognition, CVPR 2016, section 4.2, with parameter-free
shortcuts) in evaluation mode and writes resnetDEPTH_cifar10_predictions.txt beside this script: one digit per
image in the order of the file, 100 a line, after comment lines. At images whose two best logits are closer
than TIE the digit is a '.', since another order of additions may choose the other.

    FEDLOOM_DATA=data python3 resnet_predictions.py 20 10000
    FEDLOOM_DATA=data python3 resnet_predictions.py 56 2000
"""
import json
import lzma
import os
import struct
import sys

import numpy as np
import torch
import torch.nn.functional as F

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
TIE = 1e-4
BATCH = 200


def read_safetensors(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        assert entry["dtype"] == "F32", name
        begin, end = entry["data_offsets"]
        values = np.frombuffer(data[begin:end], dtype="<f4").reshape(entry["shape"])
        tensors[name] = torch.from_numpy(values.copy())
    return tensors


def read_test_batch(folder, count):
    path = os.path.join(folder, "cifar-10", "test_batch.bin")
    raw = open(path, "rb").read() if os.path.exists(path) else lzma.open(path + ".xz").read()
    records = np.frombuffer(raw, dtype=np.uint8).reshape(-1, 3073)[:count]
    pixels = torch.from_numpy(records[:, 1:].copy()).view(-1, 3, 32, 32).float() / 255.0
    mean = torch.tensor(MEAN).view(1, 3, 1, 1)
    std = torch.tensor(STD).view(1, 3, 1, 1)
    return (pixels - mean) / std, torch.from_numpy(records[:, 0].astype(np.int64))


class ResNet:
    def __init__(self, depth, weights):
        assert (depth - 2) % 6 == 0
        self.blocks = (depth - 2) // 6
        self.weights = weights

    def norm(self, name, x):
        w = self.weights
        return F.batch_norm(x, w[name + ".running_mean"], w[name + ".running_var"], w[name + ".weight"],
                            w[name + ".bias"], training=False, eps=1e-5)

    def conv(self, name, x, stride=1):
        return F.conv2d(x, self.weights[name + ".weight"], stride=stride, padding=1)

    def block(self, name, x, stride):
        out = F.relu(self.norm(name + ".bn1", self.conv(name + ".conv1", x, stride)))
        out = self.norm(name + ".bn2", self.conv(name + ".conv2", out))
        if stride != 1:
            # Every other pixel, and zeros for the channels that are new: half before, half after.
            extra = (out.shape[1] - x.shape[1]) // 2
            x = F.pad(x[:, :, ::stride, ::stride], (0, 0, 0, 0, extra, extra))
        return F.relu(out + x)

    def logits(self, x):
        x = F.relu(self.norm("bn1", self.conv("conv1", x)))
        for stage in (1, 2, 3):
            for block in range(self.blocks):
                x = self.block(f"layer{stage}.{block}", x, 2 if stage > 1 and block == 0 else 1)
        return F.linear(x.mean(dim=(2, 3)), self.weights["linear.weight"], self.weights["linear.bias"])


def main():
    depth, count = int(sys.argv[1]), int(sys.argv[2])
    folder = os.environ["FEDLOOM_DATA"]
    weights = read_safetensors(os.path.join(folder, "weights", f"resnet{depth}-cifar10.safetensors"))
    images, labels = read_test_batch(folder, count)
    model = ResNet(depth, weights)
    with torch.no_grad():
        logits = torch.cat([model.logits(images[i:i + BATCH]) for i in range(0, count, BATCH)])
    best = logits.topk(2, dim=1)
    predicted = best.indices[:, 0]
    sure = best.values[:, 0] - best.values[:, 1] >= TIE
    correct = int((predicted == labels).sum())
    loss = F.cross_entropy(logits.double(), labels).item()
    digits = "".join(str(int(p)) if s else "." for p, s in zip(predicted, sure))
    name = f"resnet{depth}_cifar10_predictions.txt"
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), name), "w") as out:
        out.write(f"# resnet_predictions.py {depth} {count}, PyTorch {torch.__version__.split('+')[0]}\n")
        out.write(f"# correct {correct}\n# loss {loss:.6f}\n")
        for i in range(0, count, 100):
            out.write(digits[i:i + 100] + "\n")
    print(f"{name}: {100.0 * correct / count:.2f} %, loss {loss:.6f}, {digits.count('.')} undecided")


if __name__ == "__main__":
    main()
