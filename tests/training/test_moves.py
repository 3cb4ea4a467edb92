"""Slices, transpositions and what is made of them: the calls that torch's operators become, the same bits, refusals."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from flow.lowering import encode_input, lower
from flow.training import bit_operations, quantize
from tests.lowering.test_from_torch import compare
from tests.training.models import example
from tests.training.test_importer import Made, refused

SHAPE = (4, 6, 6)

# What a torch function of [4, 6, 6] becomes behind a convolution and a ReLU.
FUNCTIONS = {
    "slice": (lambda x: x[:, 1:3], ["slice"]),
    "slice from behind": (lambda x: x[:, :-1, -4:], ["slice", "slice"]),
    "steps": (lambda x: x[:, ::2, :, 1:9:3], ["slice", "slice"]),
    "last place": (lambda x: x[..., -1], ["slice", "reshape"]),
    "new axis": (lambda x: x[:, None, 0:2], ["reshape", "slice"]),
    "narrow": (lambda x: torch.narrow(x, 1, 1, 2), ["slice"]),
    "chunk": (lambda x: torch.cat(x.chunk(2, 1)[::-1], 1), ["slice", "slice", "concat"]),
    "uneven chunk": (lambda x: x.chunk(4, 2)[-1], ["slice"]),
    "split": (lambda x: x.split(4, 3)[1], ["slice"]),
    "sizes": (lambda x: x.split([1, 3], 1)[1], ["slice"]),
    "tensor_split": (lambda x: torch.tensor_split(x, (1, 2), 1)[2], ["slice"]),
    "unbind": (lambda x: torch.add(*x.unbind(1)[1:3]), ["requantize", *["slice", "reshape"] * 2, "add"]),
    "transpose": (lambda x: x.transpose(1, 2), ["transpose"]),
    "permute": (lambda x: x.permute(0, 2, 3, 1), ["transpose"]),
    "movedim": (lambda x: x.movedim((1, 2), (3, 1)), ["transpose"]),
    "matrices": (lambda x: x.mT, ["transpose"]),
    "swapaxes": (lambda x: x.swapaxes(-1, 1), ["transpose"]),
    "size one": (lambda x: x[:, :1].permute(0, 2, 1, 3), ["slice", "reshape"]),
    "flattened": (lambda x: x.permute(0, 2, 3, 1).contiguous().view(len(x), -1), ["transpose", "flatten"]),
    "stack": (lambda x: torch.stack([x, x], 2), ["reshape", "reshape", "concat"]),
    "hstack": (lambda x: torch.hstack([x, x[:, :1]]), ["slice", "concat"]),
    "gate": (lambda x: functional.glu(x, 2), ["requantize", "slice", "slice", "requantize", "table", "mul"]),
    "shuffle": (lambda x: functional.channel_shuffle(x, 2), ["reshape", "transpose", "reshape"]),
    "upscale": (lambda x: functional.pixel_shuffle(x, 2), ["reshape", "transpose", "reshape"]),
    "downscale": (lambda x: functional.pixel_unshuffle(x, 2), ["reshape", "transpose", "reshape"]),
    "whole": (lambda x: x[:, :, 0:6].permute(0, 1, 2, 3).narrow(1, 0, 4), []),
}


def moved(function, shape=SHAPE, **options):
    """The quantised net of a convolution, a ReLU and a function."""
    torch.manual_seed(0)
    made = Made(lambda self, x: function(functional.relu(self.c(x))), c=nn.Conv2d(shape[0], 4, 3, padding=1))
    return quantize(made, example(shape), **options)


@pytest.mark.parametrize("case", FUNCTIONS)
def test_each_function_is_its_own_and_keeps_the_bits(case):
    function, wanted = FUNCTIONS[case]
    qmodel = moved(function)
    graph, x = lower(qmodel), example(SHAPE, 1)
    assert compare(graph, qmodel, encode_input(qmodel, x)) == 16 * sum(v.size for v in graph.values.values())
    names = [step.name for step in qmodel.steps]
    source = qmodel.values(x)[names.index("c.out" if "c.out" in names else "c.relu")]
    if case != "gate":  # whose table rounds
        assert torch.equal(qmodel(x), function(source))
    assert qmodel(x).shape == function(source).shape
    assert [node.op for node in graph][3:] == wanted


def nodes(forward, **parts):
    """The nodes of a net of vectors of 4, with what they read."""
    graph = lower(quantize(Made(forward, **parts), example((4,))))
    return [(node.name, *node.inputs) for node in graph]


def test_one_reader_is_cast_behind_the_move_and_several_read_one_cast():
    parts = {"a": nn.Linear(4, 6), "b": nn.Linear(3, 2), "c": nn.Linear(3, 2)}
    assert nodes(lambda self, x: self.b(functional.relu(self.a(x)[:, ::2])), **parts) == [
        ("input",), ("a", "input"), ("slice", "a"), ("slice.relu", "slice"), ("slice.out", "slice.relu"),
        ("b", "slice.out"),
    ]  # fmt: skip
    assert nodes(lambda self, x: self.b((y := self.a(x))[:, :3]) + self.c(y[:, 3:]), **parts) == [
        ("input",), ("a", "input"), ("a.out", "a"), ("slice", "a.out"), ("b", "slice"), ("b.out", "b"),
        ("slice_2", "a.out"), ("c", "slice_2"), ("c.out", "c"), ("add", "b.out", "c.out"),
    ]  # fmt: skip


def test_exact_sums_leave_the_design_in_parts():
    assert nodes(lambda self, x: self.a(x).chunk(2, 1), a=nn.Linear(4, 6)) == [
        ("input",), ("a", "input"), ("slice", "a"), ("slice_2", "a")
    ]  # fmt: skip


def test_what_is_stacked_is_cast_by_its_own_name():
    parts = {"a": nn.Linear(4, 4), "b": nn.Linear(4, 4), "c": nn.Conv1d(2, 1, 1)}
    assert nodes(lambda self, x: self.c(torch.stack([self.a(x), self.b(x)], 1)), **parts)[:8] == [
        ("input",), ("a", "input"), ("b", "input"), ("stack.part0", "a"), ("a.out", "stack.part0"),
        ("stack.part1", "b"), ("b.out", "stack.part1"), ("stack", "a.out", "b.out"),
    ]  # fmt: skip


def change_a_part(self, x):
    y = x + x
    torch.relu_(y[:, :2])
    return self.a(y)


def change_the_whole(self, x):
    y = x + x
    part = y.unflatten(1, (2, 2)).transpose(1, 2)
    torch.relu_(y)
    return self.a(part.flatten(1))


@pytest.mark.parametrize("forward", [change_a_part, change_the_whole])
def test_changes_in_place_that_show_in_another_value_are_refused(forward):
    listed = (
        "aten.relu_.default in the model's own forward (it changes in place a value that is also read in another form; "
        "use the form that copies)"
    )
    refused(Made(forward, a=nn.Linear(4, 2)), example((4,)), listed)


@pytest.mark.parametrize("granularity", ["channel", "element"])
def test_words_per_place_behind_a_move(granularity):
    model = Made(
        lambda self, x: self.b(functional.relu(self.a(x).permute(0, 2, 3, 1))[:, 1:5]),
        a=nn.Conv2d(4, 3, 3, padding=1), b=nn.Conv2d(4, 2, 3),
    )  # fmt: skip
    qmodel = quantize(model, example(SHAPE), cast_granularity=granularity, lengths="learned")
    graph, codes = lower(qmodel), encode_input(qmodel, 3 * example(SHAPE, 1))
    assert compare(graph, qmodel, codes) == 16 * sum(v.size for v in graph.values.values())
    bit_operations(qmodel).backward()
    assert all(point.grad is not None for point in qmodel.layers["slice_out"].quantizer.points())


def test_what_meets_a_weight_is_as_wide_as_its_widest_part():
    model = Made(
        lambda self, x: self.b(torch.cat([functional.relu(self.a(x)), x[:, 1:3]], 1)),
        a=nn.Linear(4, 2),
        b=nn.Linear(4, 3),
    )
    qmodel = quantize(model, example((4,)), weights="s4", activations="u5", input="s9", lengths="fixed")
    assert float(bit_operations(qmodel)) == 8 * 4 * 9 + 12 * 4 * 9


REFUSED = {
    "batch slice": (lambda x: x[1:], "aten.slice.Tensor", "dim=0 is that of the batch; choose another one"),
    "batch index": (lambda x: x[0], "aten.select.int", "dim=0 is that of the batch; choose another one"),
    "batch split": (lambda x: x.chunk(2)[0], "aten.chunk.default", "dim=0 is that of the batch; choose another one"),
    "batch moved": (lambda x: x.transpose(0, 1), "aten.transpose.int",
                    "it moves the axis of the batch; leave that one first"),
    "nothing": (lambda x: x[:, 2:2], "aten.slice.Tensor", "it picks nothing of the 4 places of axis 1"),
    "no axis": (lambda x: x[:, 2], "aten.select.int",
                "it leaves samples without an axis; keep the axis, as x[:, i : i + 1] does"),
    "no image": (lambda x: functional.pixel_shuffle(x[:, :, None], 2)[:, 0], "aten.pixel_shuffle.default",
                 "its input has the shape (4, 1) a sample; only [C, H, W] can be shuffled"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_moves_that_are_refused(case):
    function, target, reason = REFUSED[case]
    refused(Made(lambda self, x: function(x)), example((4,)), f"{target} in the model's own forward ({reason})")


def test_a_split_that_is_refused_is_told_once():
    listed = "aten.topk.default in the model's own forward"
    refused(Made(lambda self, x: x.topk(2, 1)[0]), example((4,)), listed)
