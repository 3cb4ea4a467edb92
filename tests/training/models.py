"""Small networks for tests: every way a user may write the supported layers, and random ones."""

import operator

import numpy as np
import torch
from torch import nn
from torch.nn import functional

DIGIT_NETS = ("digits_mlp", "digits_resnet")  # the built-in nets that take 8x8 pixels, small enough for every test


class Functional(nn.Module):
    """The functional forms, a layer used twice, in-place operations, views, and what is dropped."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 3, padding="same", bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.twice = nn.Conv2d(4, 4, 1, groups=2)
        self.tail = nn.Sequential(nn.Conv2d(4, 4, (3, 1), padding=(1, 0)), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
        self.drop, self.same = nn.Dropout2d(0.3), nn.Identity()
        self.fc = nn.Linear(16, 16)
        self.vector_norm = nn.BatchNorm1d(16)
        self.keys = nn.Linear(16, 3, bias=False)

    def forward(self, x):
        x = functional.relu(self.norm(self.stem(x)))
        x = torch.add(self.twice(x), x)
        x = functional.relu(self.twice(functional.relu(x)) + x)
        y = self.tail(x)
        y += x
        y = operator.add(self.drop(y), self.same(x))
        y = functional.avg_pool2d(functional.max_pool2d(y, 2), (2, 2), stride=1)
        y = functional.adaptive_avg_pool2d(y, (2, None))
        y = functional.dropout(y.view(y.size(0), -1), training=self.training)
        y = functional.relu_(self.vector_norm(self.fc(y)))
        return self.keys(self.fc(y))


def randomized(model, seed):
    """Random weights and statistics, as a trained network might hold them."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
            if tensor.is_floating_point():
                drawn = torch.randn(tensor.shape, generator=generator)
                tensor.copy_(drawn.abs() + 0.3 if "var" in name else drawn * (0.5 if tensor.ndim > 1 else 1.0))
    return model


def example(shape, seed=0, signed=True, count=16):
    x = np.random.default_rng(seed).normal(0, 1.5, (count, *shape)).astype(np.float32)
    return torch.from_numpy(x if signed else np.abs(x))


class Random(nn.Module):
    """A random chain of layers on [C, H, W] with residual additions, then on a vector."""

    def __init__(self, seed):
        super().__init__()
        rng = np.random.default_rng(seed)
        self.shape = (int(rng.integers(1, 4)), 6, int(rng.choice([4, 6])))
        self.layers, self.joins = nn.ModuleList(), []
        size = self.shape
        for _ in range(int(rng.integers(2, 6))):
            layer, size, join = self._spatial(rng, size)
            self.layers.append(layer)
            self.joins.append(join)
        self.fc = nn.Linear(size[0] * size[1] * size[2], int(rng.integers(1, 6)), bias=bool(rng.integers(2)))
        self.last = bool(rng.integers(2))

    @staticmethod
    def _spatial(rng, size):
        channels, height, width = size
        choice = rng.integers(6)
        if choice == 0:
            out, stride = int(rng.integers(1, 5)), int(rng.integers(1, 3))
            layer = nn.Conv2d(channels, out, 3, stride=stride, padding=1, bias=bool(rng.integers(2)))
            return layer, (out, (height - 1) // stride + 1, (width - 1) // stride + 1), False
        if choice == 1:
            groups = channels if rng.integers(2) else 1
            return nn.Conv2d(channels, channels, 3, padding=1, groups=groups), size, bool(rng.integers(2))
        if choice == 2:
            return nn.BatchNorm2d(channels), size, bool(rng.integers(2))
        if choice == 3 and min(height, width) >= 3:
            return nn.AvgPool2d((3, 2), stride=1), (channels, height - 2, width - 1), False
        if choice == 4 and min(height, width) >= 2:
            return nn.MaxPool2d(2), (channels, height // 2, width // 2), False
        return nn.ReLU(), size, False

    def forward(self, x):
        for layer, join in zip(self.layers, self.joins, strict=True):
            x = layer(x) + x if join else layer(x)
        x = self.fc(x.flatten(1))
        return functional.relu(x) if self.last else x


ACTIVATIONS = (
    nn.Sigmoid, nn.Tanh, nn.SiLU, nn.GELU, nn.Mish, nn.Hardtanh, nn.ReLU6, nn.Hardsigmoid, nn.Hardswish, nn.LeakyReLU,
    nn.ELU, nn.CELU, nn.SELU, nn.Softplus, nn.ReLU,
)  # fmt: skip


class Mixed(nn.Module):
    """A random chain on [C, L]: convolutions, BatchNorm, activations, softmax, pools and gates, then a vector."""

    def __init__(self, seed):
        super().__init__()
        rng = np.random.default_rng(seed)
        channels, length = int(rng.integers(1, 4)), int(rng.integers(5, 9))
        self.shape, self.layers, self.gates = (channels, length), nn.ModuleList(), []
        for _ in range(int(rng.integers(2, 5))):
            layer, (channels, length), gate = self._line(rng, channels, length)
            self.layers.append(layer)
            self.gates.append(gate)
        self.fc = nn.Linear(channels * length, int(rng.integers(2, 5)), bias=bool(rng.integers(2)))
        self.last = [nn.Identity(), nn.Softmax(1), nn.Sigmoid()][rng.integers(3)]

    @staticmethod
    def _line(rng, channels, length):
        choice, same = rng.integers(6), (channels, length)
        gate = ["", "mul", "sub", "add"][rng.integers(4)]
        if choice == 0:
            out, stride = int(rng.integers(1, 5)), int(rng.integers(1, 3))
            layer = nn.Conv1d(channels, out, 3, stride=stride, padding=1, bias=bool(rng.integers(2)))
            return layer, (out, (length - 1) // stride + 1), ""
        if choice == 1:
            return nn.Conv1d(channels, channels, 3, padding="same", groups=channels), same, gate
        if choice == 2:
            return nn.BatchNorm1d(channels), same, gate
        if choice == 3 and length >= 3:
            pool = nn.MaxPool1d(2, 1) if rng.integers(2) else nn.AvgPool1d(2, 1)
            return pool, (channels, length - 1), ""
        if choice == 4:
            return nn.Softmax(int(rng.integers(1, 3))), same, gate
        return ACTIVATIONS[rng.integers(len(ACTIVATIONS))](), same, gate

    def forward(self, x):
        joined = {"mul": torch.mul, "sub": torch.sub, "add": torch.add}
        for layer, gate in zip(self.layers, self.gates, strict=True):
            x = joined[gate](layer(x), x) if gate else layer(x)
        return self.last(self.fc(x.flatten(1)))


class Decoder(nn.Module):
    """A random chain on [C, H, W] that grows: transposed and dilated convolutions, upsampling, padding and cropping."""

    def __init__(self, seed):
        super().__init__()
        rng = np.random.default_rng(seed)
        channels = int(rng.integers(1, 4))
        self.shape, layers = (channels, int(rng.integers(3, 5)), int(rng.integers(3, 5))), []
        x = torch.zeros(1, *self.shape)
        for _ in range(int(rng.integers(2, 5))):
            if min(x.shape[2:]) > 2:
                made, channels = self._step(rng, channels)
                layers += made
                x = nn.Sequential(*made).eval()(x)
        self.layers = nn.Sequential(*layers)

    @staticmethod
    def _step(rng, channels):
        choice, bias = rng.integers(6), bool(rng.integers(2))
        if choice < 2:
            stride, groups = int(rng.integers(1, 3)), channels if rng.integers(2) else 1
            out, kernel = groups * int(rng.integers(1, 3)), int(rng.integers(2, 5))
            layer = nn.ConvTranspose2d(
                channels, out, kernel, stride, int(rng.integers(0, 2)), int(rng.integers(0, stride)), groups, bias
            )
            return [layer, nn.BatchNorm2d(out), nn.ReLU()] if rng.integers(2) else [layer], out
        if choice == 2:
            out = int(rng.integers(1, 4))
            return [nn.Conv2d(channels, out, 2, dilation=int(rng.integers(1, 3)), padding="same", bias=bias)], out
        if choice == 3:
            return [nn.Upsample(scale_factor=(int(rng.integers(1, 3)), int(rng.integers(1, 3))))], channels
        if choice == 4:
            return [nn.ZeroPad2d(tuple(rng.integers(-1, 3, 4).tolist()))], channels
        return [nn.ReLU(), nn.MaxPool2d(2, 1)], channels

    def forward(self, x):
        return self.layers(x)


class Moves(nn.Module):
    """A random chain of convolutions and of what only moves values, on [4, 6, 6], then two outputs."""

    _MOVES = (
        lambda x: torch.cat(x.chunk(2, 1)[::-1], 1),
        lambda x: functional.channel_shuffle(x, 2),
        lambda x: x.transpose(2, 3),
        lambda x: x.permute(0, 3, 1, 2)[:, ::2].movedim(1, 3),
        lambda x: torch.stack(x.unbind(1)[:3], 1),
        lambda x: functional.pixel_unshuffle(x[:, :, :2, :2], 2),
        lambda x: torch.cat([x, x[:, 1:]], 1),
        lambda x: functional.relu(x[:, :, 1:]),
        lambda x: x[:, :2] + x[:, -2:],
        lambda x: torch.cat([functional.max_pool2d(x, 2, 1), functional.relu(x[..., 1:, 1:])], 2),
    )

    def __init__(self, seed):
        super().__init__()
        self.shape, rng = (4, 6, 6), np.random.default_rng(seed)
        self.picks, self.layers = [], nn.ModuleList()
        with torch.no_grad():
            x = torch.zeros(1, *self.shape)
            for _ in range(int(rng.integers(2, 5))):
                x = self._grow(rng, x)
        self.left, self.right = nn.Linear(x[0].numel(), 3), nn.Linear(3, 2)
        self.joined = bool(rng.integers(2))

    def _grow(self, rng, x):
        kernel = tuple(int(size) for size in np.minimum(rng.integers(1, 3, 2), x.shape[2:]))
        self.layers.append(nn.Conv2d(x.shape[1], 4, kernel))
        x, usable = self.layers[-1](x), []
        for number, move in enumerate(self._MOVES):
            try:
                usable += [number] if move(x).numel() else []
            except RuntimeError:  # it does not fit the shape
                continue
        self.picks.append(int(rng.choice(usable)))
        return self._MOVES[self.picks[-1]](x)

    def forward(self, x):
        for layer, pick in zip(self.layers, self.picks, strict=True):
            x = self._MOVES[pick](layer(x))
        left = self.left(x.flatten(1))
        right = self.right(functional.relu(left))
        return torch.cat([left, right], 1) if self.joined else (right, left)


class Sequences(nn.Module):
    """A random chain on [T, C]: rows through Linear, norms, slopes, attention, products of two values, constants."""

    def __init__(self, seed):
        super().__init__()
        rng = np.random.default_rng(seed)
        length, width = int(rng.integers(2, 5)), int(rng.choice([2, 4, 6]))
        self.shape, self.layers, self.steps = (length, width), nn.ModuleList(), []
        for _ in range(int(rng.integers(2, 5))):
            layer, step = self._step(rng, length, width)
            self.layers.append(layer)
            self.steps.append(step)
        self.places = nn.Parameter(torch.zeros(1, length, width))
        self.gains = nn.Parameter(torch.zeros(width if rng.integers(2) else (length, 1)))
        self.constant = bool(rng.integers(2))
        self.fc = nn.Linear(width if rng.integers(2) else length * width, int(rng.integers(2, 5)))

    @staticmethod
    def _step(rng, length, width):
        choice, heads = rng.integers(7), 2 if rng.integers(2) else 1
        plain = lambda layer, x: layer(x)  # noqa: E731
        if choice == 0:
            return nn.Linear(width, width, bias=bool(rng.integers(2))), plain
        if choice == 1:
            return nn.LayerNorm(width, elementwise_affine=bool(rng.integers(2))), plain
        if choice == 2:
            return nn.LayerNorm((length, width), bias=False), plain
        if choice == 3:
            return nn.PReLU(length if rng.integers(2) else 1), plain
        if choice == 4:
            return nn.MultiheadAttention(width, heads, batch_first=True), lambda layer, x: x + layer(x, x, x)[0]
        if choice == 5:
            return nn.Linear(width, width), lambda layer, x: layer(x) @ (x.mT @ x) / 4
        return nn.Linear(width, width), lambda layer, x: functional.scaled_dot_product_attention(layer(x), x, x)

    def forward(self, x):
        x = self.gains * x + self.places if self.constant else 1 - 0.75 * x
        for layer, step in zip(self.layers, self.steps, strict=True):
            x = step(layer, x)
        return self.fc(x.mean(1) if self.fc.in_features == self.shape[1] else x.flatten(1))
