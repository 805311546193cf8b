"""How an oracle is recorded: values from integers, a run of PyTorch in double, one safetensors file. See
models.py, which says what is in a file; nothing here knows a model."""
import json
import math
import os
import struct
from dataclasses import dataclass, field

import numpy
import torch
import torch.nn.functional as F

STEPS = 10
ENTRIES = 32
WHOLE_TENSOR = 70_000  # floats; larger gradients of small cases are summarised too
LARGEST_FILE = 512 * 1024


def mixed(x):
    """Spreads the bits of uint32 values: two rounds of xor-shift and multiply (the constants are those of
    C. Wellons' search for low bias, "Prospecting for hash functions")."""
    x = (x ^ (x >> numpy.uint32(16))) * numpy.uint32(0x7FEB352D)
    x = (x ^ (x >> numpy.uint32(15))) * numpy.uint32(0x846CA68B)
    return x ^ (x >> numpy.uint32(16))


def bits(count, key):
    """Element i: mixed(mixed(i) + key * 2654435761), all modulo 2^32."""
    offset = numpy.uint32(key * 2654435761 % 2**32)
    return mixed(mixed(numpy.arange(count, dtype=numpy.uint32)) + offset)


def units(count, key):
    """Numbers in [-1, 1) that are multiples of 2^-23: floats exactly."""
    return ((bits(count, key) >> numpy.uint32(8)).astype(numpy.float64) - 2**23) / 2**23


def filled(count, key, center, amplitude):
    """center + amplitude * unit: computed in double, where it is exact or nearly so, and rounded to float."""
    return (center + float(numpy.float32(amplitude)) * units(count, key)).astype(numpy.float32)


def entry_places(size, key):
    return bits(ENTRIES, key).astype(numpy.uint64) % numpy.uint64(size)


@dataclass
class Case:
    file: str  # without .safetensors
    model: str  # the registered name
    build: object  # (shape, classes) -> torch module
    shape: list
    classes: int
    settings: dict = field(default_factory=dict)
    vocabulary: int = 0
    masked: bool = False  # tokens with padding, and a mask that says so
    batch: int = 4
    rate: float = 0.1
    salt: int = 0  # chooses other values, away from a ReLU input that float may round across zero
    gain: float = 1.0  # scale of weights relative to variance 1 / fan_in
    whole: bool = False  # gradients whole, not as summaries
    adaptation: dict = field(default_factory=dict)


INPUT, LABEL, LENGTH = 1, 2, 3  # keys of the data; those of slices follow from 16 on
SALTED = 1000  # keys that a salt skips


def fill_of(name, shape, gain):
    """(center, amplitude). Weights have variance gain^2 / fan_in; what scales an activation lies around 1."""
    leaf = name.rsplit(".", 1)[-1]
    if leaf == "running_var" or (leaf == "weight" and len(shape) == 1):
        return 1.0, 0.5
    if len(shape) == 1 or leaf in ("cls_token", "pos_embed"):
        return 0.0, 0.25
    if name.startswith("embedding"):
        return 0.0, 1.0
    return 0.0, float(numpy.float32(gain * math.sqrt(3.0 / math.prod(shape[1:]))))


def slices_of(case, module):
    """What the test must find in the layout, in PyTorch's order."""
    train = case.adaptation.get("train", [])
    rows = []
    named = [(n, p, True) for n, p in module.named_parameters()]
    named += [(n, b, False) for n, b in module.named_buffers() if b.is_floating_point()]
    for key, (name, tensor, parameter) in enumerate(named, SALTED * case.salt + 16):
        adapts = not case.adaptation or "lora_" in name or any(name.startswith(t + ".") for t in train)
        role = ("trained" if adapts else "frozen") if parameter else "statistic"
        center, amplitude = fill_of(name, list(tensor.shape), case.gain)
        rows.append({"name": name, "shape": list(tensor.shape), "role": role, "key": key, "center": center,
                     "amplitude": amplitude})
    return rows


def load(module, rows, dtype):
    module.to(dtype)
    tensors = dict(module.named_parameters())
    tensors.update(module.named_buffers())
    with torch.no_grad():
        for row in rows:
            tensor = tensors[row["name"]]
            values = filled(tensor.numel(), row["key"], row["center"], row["amplitude"])
            tensor.copy_(torch.from_numpy(values).view(tensor.shape))
            tensor.requires_grad_(row["role"] == "trained")


def examples(case, dtype):
    """Inputs of the module (features, or tokens and mask) and labels. Features have amplitude 2."""
    width = math.prod(case.shape)
    labels = torch.from_numpy((bits(case.batch, LABEL) % numpy.uint32(case.classes)).astype(numpy.int64))
    if case.vocabulary == 0:
        values = filled(case.batch * width, INPUT, 0.0, 2.0)
        return [torch.from_numpy(values).to(dtype).view(case.batch, *case.shape).requires_grad_()], labels
    tokens = bits(case.batch * width, INPUT) % numpy.uint32(case.vocabulary)
    inputs = [torch.from_numpy(tokens.reshape(case.batch, width).astype(numpy.int64))]
    if case.masked:
        # The first example is full, the others have 1 .. length real tokens in front of padding.
        lengths = 1 + bits(case.batch, LENGTH) % numpy.uint32(width)
        lengths[0] = width
        inputs.append(torch.from_numpy(numpy.arange(width)[None, :] < lengths[:, None]))
    return inputs, labels


def run(case, dtype):
    """All tensors of a case as numpy arrays."""
    module = case.build(case.shape, case.classes)
    rows = slices_of(case, module)
    load(module, rows, dtype)
    inputs, labels = examples(case, dtype)
    statistics = {r["name"] for r in rows if r["role"] == "statistic"}
    result = {}

    def note(name, tensor, summarised=False, key=0):
        values = tensor.detach().double().numpy().copy()
        if summarised:
            flat = values.ravel()
            values = numpy.concatenate(([flat.sum(), math.sqrt(flat @ flat)], flat[entry_places(flat.size, key)]))
            name = "summary/" + name
        elif not name.partition("/")[0] in ("logits", "loss", "eval", "statistic", "losses", "trained"):
            name = "gradient/" + name
        result[name] = values

    module.eval()
    with torch.no_grad():
        note("eval/logits", module(*inputs))
    module.train()
    logits = module(*inputs)
    loss = F.cross_entropy(logits, labels)
    loss.backward()
    note("logits", logits)
    note("loss", loss)
    for row in rows:
        if row["role"] == "trained":
            gradient = dict(module.named_parameters())[row["name"]].grad
            note(row["name"], gradient, not case.whole or gradient.numel() > WHOLE_TENSOR, row["key"])
    if case.vocabulary == 0:
        note("input", inputs[0].grad, not case.whole, INPUT)
    for name, buffer in module.named_buffers():
        if name in statistics:
            note("statistic/" + name, buffer)

    load(module, rows, dtype)
    inputs = [x.detach() for x in inputs]
    losses = []
    for _ in range(STEPS):
        module.zero_grad()
        loss = F.cross_entropy(module(*inputs), labels)
        loss.backward()
        losses.append(loss.item())
        with torch.no_grad():
            for parameter in module.parameters():
                if parameter.requires_grad:
                    parameter -= case.rate * parameter.grad
    note("losses", torch.tensor(losses, dtype=torch.float64))
    module.eval()
    with torch.no_grad():
        note("trained/logits", module(*inputs))
    for name, buffer in module.named_buffers():
        if name in statistics:
            note("trained/statistic/" + name, buffer)
    return rows, result


def as_yaml(value):
    """One line of flow-style YAML; JSON is that, when numbers keep their digits."""
    return json.dumps(value)


def write(folder, case, rows, result):
    text = "\n".join(f"{key}: {as_yaml(value)}" for key, value in {
        "model": case.model,
        "settings": case.settings,
        "data": {"shape": case.shape, "classes": case.classes, "vocabulary": case.vocabulary},
        "adaptation": case.adaptation,
        "batch": case.batch,
        "rate": case.rate,
        "masked": case.masked,
    }.items())
    text += "\nslices:\n" + "".join(f"  - {as_yaml(row)}\n" for row in rows)
    header, data = {"__metadata__": {"case": text, "torch": torch.__version__}}, b""
    for name in sorted(result):
        double = name in ("loss", "losses")
        stored = numpy.ascontiguousarray(result[name], dtype="<f8" if double else "<f4").tobytes()
        header[name] = {"dtype": "F64" if double else "F32", "shape": list(result[name].shape),
                        "data_offsets": [len(data), len(data) + len(stored)]}
        data += stored
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    content = struct.pack("<Q", len(head)) + head + data
    if len(content) > LARGEST_FILE:
        raise SystemExit(f"{case.file}: {len(content)} bytes are more than a golden file may have")
    with open(os.path.join(folder, case.file + ".safetensors"), "wb") as out:
        out.write(content)
    return len(content)


def differences(result, single):
    """The largest relative distance (L2) of a float run from the double run, by kind of tensor."""
    worst = {}
    gradients = [v if n.startswith("gradient/") else v[1:2] for n, v in result.items()
                 if n.startswith(("gradient/", "summary/"))]
    # A gradient that is mathematically zero is rounding alone: measured against a share of all of them.
    whole = math.sqrt(sum(float((v * v).sum()) for v in gradients))
    for name, values in result.items():
        distance = numpy.linalg.norm(single[name] - values)
        scale = numpy.linalg.norm(values)
        if name.startswith(("gradient/", "summary/")):
            scale = max(scale, 0.01 * whole)
        kind = name.partition("/")[0]
        worst[kind] = max(worst.get(kind, 0.0), float(distance / scale) if scale > 0 else 0.0)
    return " ".join(f"{kind} {value:.0e}" for kind, value in worst.items())
