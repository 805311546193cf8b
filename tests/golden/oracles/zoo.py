# The models of the zoo in PyTorch, written so that named_parameters() gives fedloom's slice names. Nothing
# here looks at fedloom: these are second opinions. Dropout layers are left out, since every oracle is
# recorded with a dropout rate of 0. LayerNorm's epsilon is PyTorch's default, 1e-5 (timm's ViT has 1e-6).
import torch
import torch.nn as nn
import torch.nn.functional as F


def flat(x):
    return x.flatten(1)


class LoraLinear(nn.Linear):
    """A dense layer with low-rank factors beside it: y += alpha / r (x A^T) B^T."""

    def __init__(self, inputs, outputs, rank, alpha):
        super().__init__(inputs, outputs)
        self.lora_A = nn.Linear(inputs, rank, bias=False)
        self.lora_B = nn.Linear(rank, outputs, bias=False)
        self.scale = alpha / rank

    def forward(self, x):
        return super().forward(x) + self.scale * self.lora_B(self.lora_A(x))


class Perceptron(nn.Module):
    """fc1 .. fcN with ReLU between; `names` for a model that calls its layers otherwise, `lora` for (layers
    with factors, rank, alpha)."""

    def __init__(self, inputs, widths, names=None, lora=((), 0, 0.0)):
        super().__init__()
        self.names = names or [f"fc{i + 1}" for i in range(len(widths))]
        for name, width in zip(self.names, widths):
            self.add_module(
                name, LoraLinear(inputs, width, *lora[1:]) if name in lora[0] else nn.Linear(inputs, width))
            inputs = width

    def forward(self, x):
        x = flat(x)
        for i, name in enumerate(self.names):
            x = getattr(self, name)(F.relu(x) if i > 0 else x)
        return x


class ConvThenDense(nn.Module):
    """conv1 .. convN, each with ReLU and 2x2 max-pooling, then dense layers with ReLU between."""

    def __init__(self, convs, dense, shape, classes, last=None, bias=True):
        """convs: (channels, kernel, padding) each; `last` names the layer of the logits (default: fcN)."""
        super().__init__()
        channels, height, width = shape
        self.convs = []
        for i, (out, kernel, padding) in enumerate(convs):
            self.add_module(f"conv{i + 1}", nn.Conv2d(channels, out, kernel, padding=padding, bias=bias))
            self.convs.append(f"conv{i + 1}")
            channels = out
            height, width = ((side + 2 * padding - kernel + 1) // 2 for side in (height, width))
        inputs = channels * height * width
        self.dense = []
        for i, out in enumerate(dense):
            self.add_module(f"fc{i + 1}", nn.Linear(inputs, out, bias=bias))
            self.dense.append(f"fc{i + 1}")
            inputs = out
        self.last = last or f"fc{len(dense) + 1}"
        self.add_module(self.last, nn.Linear(inputs, classes, bias=bias))

    def forward(self, x):
        for name in self.convs:
            x = F.max_pool2d(F.relu(getattr(self, name)(x)), 2)
        x = flat(x)
        for name in self.dense:
            x = F.relu(getattr(self, name)(x))
        return getattr(self, self.last)(x)


class PflCnn(nn.Module):
    """The CIFAR-10 network of pfl-research: one pooling after two unpadded convolutions."""

    def __init__(self, shape, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(shape[0], 32, 3)
        self.conv2 = nn.Conv2d(32, 64, 3)
        height, width = ((side - 4) // 2 for side in shape[1:])
        self.fc1 = nn.Linear(64 * height * width, 128)
        self.fc2 = nn.Linear(128, classes)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv2(F.relu(self.conv1(x)))), 2)
        return self.fc2(F.relu(self.fc1(flat(x))))


def normalisation(kind, channels, groups):
    return {
        "batch": lambda: nn.BatchNorm2d(channels),
        "batch_stats": lambda: nn.BatchNorm2d(channels, track_running_stats=False),
        "group": lambda: nn.GroupNorm(groups, channels),
        "none": nn.Identity,
    }[kind]()


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut: by subsampling and zero channels (option A of He et al.), or by a
    1x1 convolution with normalisation of its own."""

    def __init__(self, inputs, outputs, stride, norm, groups, option_a):
        super().__init__()
        prefix = "gn" if norm == "group" else "bn"
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.add_module(prefix + "1", normalisation(norm, outputs, groups))
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.add_module(prefix + "2", normalisation(norm, outputs, groups))
        self.norms = prefix
        self.stride, self.extra = stride, outputs - inputs
        self.option_a = option_a
        if not option_a and (stride != 1 or inputs != outputs):
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), normalisation(norm, outputs, groups))

    def forward(self, x):
        y = F.relu(getattr(self, self.norms + "1")(self.conv1(x)))
        y = getattr(self, self.norms + "2")(self.conv2(y))
        if hasattr(self, "shortcut"):
            x = self.shortcut(x)
        elif self.extra > 0 or self.stride != 1:
            half = self.extra // 2
            x = F.pad(x[:, :, ::self.stride, ::self.stride], (0, 0, 0, 0, half, self.extra - half))
        return F.relu(x + y)


class ResNet(nn.Module):
    def __init__(self, shape, classes, widths, blocks, norm, groups=8, option_a=True, pool="mean",
                 bias=True):
        super().__init__()
        prefix = "gn" if norm == "group" else "bn"
        self.conv1 = nn.Conv2d(shape[0], widths[0], 3, 1, 1, bias=False)
        self.add_module(prefix + "1", normalisation(norm, widths[0], groups))
        self.norm = prefix + "1"
        self.stages = []
        inputs = widths[0]
        for i, width in enumerate(widths):
            stage = []
            for j in range(blocks):
                stride = 2 if i > 0 and j == 0 else 1
                stage.append(BasicBlock(inputs, width, stride, norm, groups, option_a))
                inputs = width
            self.add_module(f"layer{i + 1}", nn.Sequential(*stage))
            self.stages.append(f"layer{i + 1}")
        self.pool = pool
        side = [-(-s // 2 ** (len(widths) - 1)) for s in shape[1:]]
        values = 1 if pool == "mean" else (side[0] // 2) * (side[1] // 2)
        self.linear = nn.Linear(inputs * values, classes, bias=bias)

    def forward(self, x):
        x = F.relu(getattr(self, self.norm)(self.conv1(x)))
        for name in self.stages:
            x = getattr(self, name)(x)
        x = x.mean((2, 3)) if self.pool == "mean" else flat(F.avg_pool2d(x, 2))
        return self.linear(x)


class Attention(nn.Module):
    def __init__(self, dim, heads, lora=None):
        super().__init__()
        adapted = (lambda: LoraLinear(dim, dim, *lora)) if lora else (lambda: nn.Linear(dim, dim))
        self.query, self.key, self.value = adapted(), nn.Linear(dim, dim), adapted()
        self.proj = nn.Linear(dim, dim)
        self.heads = heads

    def forward(self, x, mask=None):
        split = lambda t: t.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        q, k, v = split(self.query(x)), split(self.key(x)), split(self.value(x))
        scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None, None, :], float("-inf"))
        return self.proj((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(dim, hidden), nn.Linear(hidden, dim)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    """A pre-norm transformer block."""

    def __init__(self, dim, heads, hidden, lora=None, eps=1e-5):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim, eps), nn.LayerNorm(dim, eps)
        self.attn = Attention(dim, heads, lora)
        self.mlp = Mlp(dim, hidden)

    def forward(self, x, mask=None):
        x = x + self.attn(self.norm1(x), mask)
        return x + self.mlp(self.norm2(x))


class Patches(nn.Module):
    """The image cut into squares, each a dense layer of its pixels; (B, patches, dim), row by row."""

    def __init__(self, channels, dim, patch):
        super().__init__()
        self.proj = nn.Conv2d(channels, dim, patch, patch)

    def forward(self, x):
        return self.proj(x).flatten(2).transpose(1, 2)


def patch_count(shape, patch):
    return (shape[1] // patch) * (shape[2] // patch)


class ViT(nn.Module):
    def __init__(self, shape, classes, patch, dim, depth, heads, mlp_ratio=4, lora=None, eps=1e-5):
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, patch_count(shape, patch) + 1, dim))
        self.patch_embed = Patches(shape[0], dim, patch)
        self.blocks = nn.ModuleList(Block(dim, heads, mlp_ratio * dim, lora, eps) for _ in range(depth))
        self.norm = nn.LayerNorm(dim, eps)
        self.head = nn.Linear(dim, classes)

    def forward(self, x):
        x = self.patch_embed(x)
        x = torch.cat((self.cls_token.expand(len(x), -1, -1), x), 1) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0])


class MixerBlock(nn.Module):
    def __init__(self, tokens, dim, token_hidden, channel_hidden, eps):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim, eps), nn.LayerNorm(dim, eps)
        self.mlp_tokens, self.mlp_channels = Mlp(tokens, token_hidden), Mlp(dim, channel_hidden)

    def forward(self, x):
        x = x + self.mlp_tokens(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        return x + self.mlp_channels(self.norm2(x))


class Mixer(nn.Module):
    def __init__(self, shape, classes, patch, dim, depth, token_hidden, channel_hidden, eps=1e-5):
        super().__init__()
        self.stem = Patches(shape[0], dim, patch)
        tokens = patch_count(shape, patch)
        self.blocks = nn.ModuleList(
            MixerBlock(tokens, dim, token_hidden, channel_hidden, eps) for _ in range(depth))
        self.norm = nn.LayerNorm(dim, eps)
        self.head = nn.Linear(dim, classes)

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x).mean(1))


class CharLstm(nn.Module):
    """LEAF's next-character model: embedding, stacked LSTM, logits of the last hidden state."""

    def __init__(self, vocabulary, shape, classes, embedding, hidden, layers):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, embedding)
        self.lstm = nn.LSTM(embedding, hidden, layers, batch_first=True)
        self.fc = nn.Linear(hidden, classes)

    def forward(self, tokens):
        return self.fc(self.lstm(self.embedding(tokens))[0][:, -1])


class TextTransformer(nn.Module):
    """Padding is neither attended to nor averaged."""

    def __init__(self, vocabulary, shape, classes, dim, depth, heads, mlp_ratio=4, eps=1e-5):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, dim)
        self.pos_embed = nn.Parameter(torch.zeros(1, shape[0], dim))
        self.blocks = nn.ModuleList(Block(dim, heads, mlp_ratio * dim, None, eps) for _ in range(depth))
        self.norm = nn.LayerNorm(dim, eps)
        self.head = nn.Linear(dim, classes)

    def forward(self, tokens, mask):
        x = self.embedding(tokens) + self.pos_embed
        for block in self.blocks:
            x = block(x, mask)
        real = mask[:, :, None].to(x.dtype)
        return self.head((self.norm(x) * real).sum(1) / real.sum(1))
