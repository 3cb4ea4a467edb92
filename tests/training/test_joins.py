"""Values joined, and models with several outputs: where casts stand, the same bits, training, and what is refused."""

import re

import pytest
import torch
from torch import nn
from torch.nn import functional

from flow.errors import UnsupportedError
from flow.lowering import encode_input, lower
from flow.training import fit, quantize
from flow.training.ptq.apply import apply
from flow.training.ptq.reference import float_twin
from tests.lowering.test_from_torch import compare
from tests.training.models import example, randomized
from tests.training.test_importer import Made, refused


class Branches(nn.Module):
    """Branches of different words joined along channels and along a vector; the hidden value leaves too."""

    def __init__(self):
        super().__init__()
        self.wide, self.point = nn.Conv2d(2, 3, 3, padding=1), nn.Conv2d(2, 2, 1)
        self.norm = nn.BatchNorm2d(7)
        self.left, self.right = nn.Linear(28, 4), nn.Linear(28, 3)
        self.hidden, self.logits = nn.Linear(7, 6), nn.Linear(6, 3)

    def forward(self, x):
        y = self.norm(torch.cat([functional.relu(self.wide(x)), self.point(x), x], 1))
        y = functional.max_pool2d(functional.relu(y), 2).flatten(1)
        hidden = self.hidden(torch.concat((self.left(y), functional.relu(self.right(y))), dim=-1))
        return self.logits(functional.relu(hidden)), hidden


def bits(model, shape, **options):
    """How many codes of how many samples agree with the interpreter, all of them."""
    qmodel = quantize(model, example(shape), **options)
    graph = lower(qmodel, argmax=True)
    codes = encode_input(qmodel, 3 * example(shape, 1, count=12))
    assert compare(graph, qmodel, codes) == 12 * sum(value.size for value in graph.values.values())
    return graph


SPECS = [
    ({}, ("logits", "hidden", "class")),
    (
        {"weights": "s3", "activations": "u4", "rounding": "TRN", "overflow": "WRAP", "batchnorm": "fixed"},
        ("logits", "hidden", "class"),
    ),
    ({"activations": "s5", "cast_granularity": "channel", "lengths": "learned"}, ("logits", "hidden", "class")),
    ({"cast_granularity": "element", "accumulators": "s12"}, ("logits.acc", "hidden.acc", "class")),
    ({"activations": "e3m2", "weights": "e2m3"}, ("logits", "hidden", "class")),
]


@pytest.mark.parametrize(("spec", "outputs"), SPECS)
def test_branches_equal_the_interpreter_on_every_node(spec, outputs):
    graph = bits(randomized(Branches(), 0), (2, 4, 4), **spec)
    assert graph.outputs == outputs
    assert graph["class"].inputs == outputs[:1]


def test_what_is_joined_keeps_its_own_casts():
    graph = lower(quantize(randomized(Branches(), 0), example((2, 4, 4))))
    made = [(node.name, node.inputs) for node in graph if node.op in ("concat", "requantize")]
    assert made == [
        ("wide.out", ("wide.relu",)),
        ("point.out", ("point",)),
        ("concat", ("wide.out", "point.out", "input")),
        ("norm.out", ("norm.relu",)),
        ("left.out", ("left",)),
        ("right.out", ("right.relu",)),
        ("concat_2", ("left.out", "right.out")),
        ("hidden.out", ("hidden.relu",)),
    ]
    assert graph.outputs == ("logits", "hidden")


def casts(forward, **parts):
    """The nodes of a small net of vectors of 4, with what they read."""
    graph = lower(quantize(Made(forward, **parts), example((4,))))
    return [(node.name, *node.inputs) for node in graph], graph.outputs


def test_an_output_that_is_read_inside_leaves_exact_and_is_cast_for_its_readers():
    parts = {"a": nn.Linear(4, 4), "b": nn.Linear(4, 2)}
    assert casts(lambda self, x: ((y := self.a(x)), self.b(y)), **parts) == (
        [("input",), ("a", "input"), ("a.out", "a"), ("b", "a.out")], ("a", "b")
    )  # fmt: skip
    assert casts(lambda self, x: ((y := self.a(x)), self.b(functional.relu(y))), **parts) == (
        [("input",), ("a", "input"), ("a.relu", "a"), ("a.out", "a.relu"), ("b", "a.out")], ("a", "b")
    )  # fmt: skip


def test_exact_sums_leave_the_design_even_joined():
    parts = {"a": nn.Linear(4, 4), "b": nn.Linear(4, 2)}
    assert casts(lambda self, x: torch.cat([x, self.a(x), self.b(x)], 1), **parts) == (
        [("input",), ("a", "input"), ("b", "input"), ("concat", "input", "a", "b")], ("concat",)
    )  # fmt: skip


def test_a_value_twice_and_one_part_alone():
    forward = lambda self, x: (torch.cat([(y := self.a(x)), y], 1), torch.cat([functional.relu(x)], 1))  # noqa: E731
    nodes, outputs = casts(forward, a=nn.Linear(4, 4))
    assert nodes == [
        ("input",), ("a", "input"), ("concat", "a", "a"), ("input.relu", "input"), ("concat_2", "input.relu"),
    ]  # fmt: skip
    assert outputs == ("concat", "concat_2")


def test_several_outputs_train_in_a_loop_of_the_users():
    model, batch = randomized(Branches(), 0), example((2, 4, 4), count=32)
    qmodel = quantize(model, batch)
    optimizer, losses = torch.optim.Adam(qmodel.parameters(), 1e-2), []
    for _ in range(8):
        logits, hidden = qmodel(batch)
        losses.append(logits.square().mean() + hidden.square().mean())
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert (tuple(logits.shape), tuple(hidden.shape)) == ((32, 3), (32, 6))
    assert losses[-1] < losses[0]
    graph = lower(qmodel)
    assert compare(graph, qmodel, encode_input(qmodel, batch)) == 32 * sum(v.size for v in graph.values.values())


def test_methods_after_training_see_all_outputs():
    model, batch = randomized(Branches(), 0).eval(), example((2, 4, 4), count=32)
    spec = {"weights": "s4", "activations": "u6", "batchnorm": "fixed"}
    for found, expected in zip(float_twin(quantize(model, batch, **spec))(batch), model(batch), strict=True):
        assert float((found - expected).detach().abs().max()) <= 1e-5 * float(expected.detach().abs().max())
    better = apply(model, batch, ("equalise", "smooth", "mixed_precision", "gptq", "bias_correction"), **spec)
    graph = lower(better)
    assert compare(graph, better, encode_input(better, batch)) == 32 * sum(v.size for v in graph.values.values())


def test_fit_refuses_several_outputs():
    qmodel, data = quantize(Branches(), example((2, 4, 4))), (example((2, 4, 4)), torch.zeros(16))
    message = (
        "fit trains on one output, but the model returns 2; train it in a loop of your own, with a loss of all of them."
    )
    with pytest.raises(UnsupportedError, match=f"^{re.escape(message)}$"):
        fit(qmodel, data, data, epochs=1, seed=0)


def test_a_batchnorm_behind_an_output_is_not_folded():
    message = (
        "BatchNorm 'norm' cannot be folded: it does not follow a Linear or Conv2d that is used nowhere else; choose "
        "batchnorm='fixed'."
    )
    model = Made(lambda self, x: ((y := self.a(x)), self.norm(y)), a=nn.Linear(4, 4), norm=nn.BatchNorm1d(4))
    with pytest.raises(UnsupportedError, match=f"^{re.escape(message)}$"):
        quantize(model, example((4,)), batchnorm="folded")


@pytest.mark.parametrize(
    ("forward", "listed"),
    [
        (
            lambda self, x: torch.cat([x, x], 0),
            "aten.cat.default in the model's own forward (dim=0 is that of the batch; choose another one)",
        ),
        (
            lambda self, x: torch.cat([x, self.p], 1),
            "aten.cat.default in the model's own forward (tensors[1] is the constant 'p')",
        ),
    ],
)
def test_joins_that_are_refused(forward, listed):
    refused(Made(forward, p=nn.Parameter(torch.ones(16, 1))), example((4,)), listed)
