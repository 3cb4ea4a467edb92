"""A float network as a list of calls: what torch.export found, in terms the rest of training understands."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from torch import Tensor

from flow.formats import Overflow
from flow.training.functions import Function
from flow.training.words import AnyWord

__all__ = [
    "SOURCE",
    "Accumulate",
    "Add",
    "AvgPool2d",
    "BatchNorm",
    "Call",
    "Cast",
    "Concat",
    "Conv2d",
    "Dense",
    "Flatten",
    "Lookup",
    "LutDense",
    "MatMul",
    "MaxPool2d",
    "Mul",
    "Network",
    "Pad",
    "ReduceMax",
    "ReduceSum",
    "Relu",
    "Reshape",
    "Scale",
    "Slice",
    "Softmax",
    "Sub",
    "Table",
    "Transpose",
    "Upsample",
    "Weighted",
    "distinct",
    "keeps_channels",
]

SOURCE = "input"  # the name of what the model is given

Pair = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One operation that makes one value, which is called by the call's name.

    Attributes:
        name: unique in the network; becomes the name of the node in the graph.
        inputs: names of earlier calls, or SOURCE.
        origin: module path in the user's model.
        base: the name after which a cast of the value is called; empty means `name`.
        paths: by which `Spec.layers` may name the call: its module path, or its name where it is a function other than
            ReLU; a cast goes by those of all calls between it and the casts before.
        shape: of one sample of the value.
    """

    name: str
    inputs: tuple[str, ...]
    origin: str = ""
    base: str = ""
    paths: tuple[str, ...] = field(default=(), compare=False)
    shape: tuple[int, ...] = field(default=(), compare=False)

    @property
    def stem(self) -> str:
        """`base`, or `name` where there is none."""
        return self.base or self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighted(Call):
    """A weight and perhaps a bias, as keys of the network's state."""

    weight: str
    bias: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dense(Weighted):
    """`x @ weight.T + bias`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conv2d(Weighted):
    """Cross-correlation with zero padding."""

    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    groups: int = 1
    dilation: Pair = (1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchNorm(Call):
    """`(x - mean) / sqrt(variance + eps) * gamma + beta` per channel; the four are keys of the network's state."""

    mean: str
    variance: str
    gamma: str | None = None
    beta: str | None = None
    eps: float = 1e-5


@dataclass(frozen=True, slots=True, kw_only=True)
class Relu(Call):
    """`max(x, 0)`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Add(Call):
    """The sum of two values of one shape."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sub(Call):
    """The difference of two values.

    Attributes:
        narrow: whether the difference is known to be no larger than the values, so that no cast need follow it.
    """

    narrow: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Mul(Call):
    """The product of two values; `positive` where it is known to be none below 0, as a square is."""

    positive: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MatMul(Call):
    """The product of two matrices, or of two stacks of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale(Call):
    """`x * scale + shift` with constants of the model.

    Attributes:
        sample: the shape that both constants are broadcast to; the value has it, or is the same flattened.
        scale: key in the network's state; None for 1.
        shift: key in the network's state; None for 0.
        trained: whether training may move them: not where they are numbers in the user's source.
        role: the field of `Spec` that holds the word of the scale.
    """

    sample: tuple[int, ...]
    scale: str | None = None
    shift: str | None = None
    trained: bool = True
    role: str = "scales"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup(Call):
    """Rows of `weight`, a key in the network's state, by their number."""

    weight: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LutDense(Call):
    """Sums of functions of single inputs; `functions` are keys in the network's state, as `edges` takes them."""

    functions: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table(Call):
    """A function of one value.

    Attributes:
        function: which one.
        role: the field of `Spec` that holds the word of its entries.
        saturates: whether the cast before it saturates whatever the spec says of casts.
    """

    function: Function
    role: str = "activations"
    saturates: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reduction(Call):
    """Many values to one along `axis`, which stays with size 1; counted from 0 without the batch."""

    axis: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReduceMax(Reduction):
    """The highest value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReduceSum(Reduction):
    """The sum."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Softmax(Call):
    """`2**x / sum(2**x)` along `axis`, counted from 0 without the batch."""

    axis: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxPool2d(Call):
    """The highest value of each window."""

    kernel: Pair
    stride: Pair


@dataclass(frozen=True, slots=True, kw_only=True)
class AvgPool2d(Call):
    """The mean of each window."""

    kernel: Pair
    stride: Pair


@dataclass(frozen=True, slots=True, kw_only=True)
class Flatten(Call):
    """All axes but the batch as one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reshape(Call):
    """The same values in the same order as a sample of another `shape`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Concat(Call):
    """Values one after another along `axis`, counted from 0 without the batch."""

    axis: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pad(Call):
    """Zeros before, after and between the values along each axis of a sample; negative ones before and after crop."""

    before: tuple[int, ...]
    after: tuple[int, ...]
    interior: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Upsample(Call):
    """Each value so many times along each axis of a sample."""

    factors: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice(Call):
    """Along every axis of a sample the places `start, start + step, ...` below `stop`."""

    starts: tuple[int, ...]
    stops: tuple[int, ...]
    steps: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Transpose(Call):
    """The axes of a sample in another order: for every axis of the result that of the input, from 0."""

    order: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast(Call):
    """A value brought to a word, with a binary point of its own; `role` is the field of `Spec` that holds the word.

    `overflow` is the mode where it is not that of the spec; `most` limits the fractional bits to 0 and so many.
    """

    word: AnyWord
    role: str = "activations"
    overflow: Overflow | None = None
    most: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Accumulate(Call):
    """The sum of a Linear or a convolution brought to a word, its binary point left where it is."""

    word: AnyWord
    overflow: Overflow


@dataclass(frozen=True, slots=True)
class Network:
    """Calls in the order of computation.

    Attributes:
        calls: each input of a call is an earlier call or SOURCE.
        outputs: the names of the values that are the model's results, in their order.
        state: the constants by their name in the user's model, whose memory they share: to be read only.
    """

    calls: tuple[Call, ...]
    outputs: tuple[str, ...]
    state: dict[str, Tensor] = field(repr=False)

    def consumers(self) -> dict[str, list[Call]]:
        """Who reads each value, by the value's name, in order."""
        found: dict[str, list[Call]] = {name: [] for name in (SOURCE, *(call.name for call in self.calls))}
        for call in self.calls:
            for name in dict.fromkeys(call.inputs):
                found[name].append(call)
        return found

    def pruned(self) -> Network:
        """Without the calls that do not reach an output."""
        needed, kept = set(self.outputs), list[Call]()
        for call in reversed(self.calls):
            if call.name in needed:
                needed.update(call.inputs)
                kept.append(call)
        return Network(tuple(reversed(kept)), self.outputs, self.state)


def keeps_channels(call: Call, before: Call) -> bool:
    """Whether a call only reshapes or repeats what `before` made, and leaves its first axis, that of the channels."""
    return isinstance(call, (Reshape, Upsample)) and call.shape[:1] == before.shape[:1]


def distinct(name: str, taken: Iterable[str]) -> str:
    """`name`, or `name_2`, `name_3`, ... where it is taken.

    >>> distinct("fc", {"fc", "fc_2"})
    'fc_3'
    """
    held, candidate, count = set(taken), name, 2
    while candidate in held:
        candidate, count = f"{name}_{count}", count + 1
    return candidate
