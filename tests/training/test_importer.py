"""What torch.export finds, and every refusal, whole."""

import re

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from flow.errors import DataError, UnsupportedError
from flow.training import quantize
from flow.training.aten import SUPPORTED
from flow.training.calls import Add, AvgPool2d, Conv2d, Relu
from flow.training.importer import import_network
from tests.training.models import Functional, example, randomized


class Made(nn.Module):
    """A module whose forward is a plain function of itself and its input."""

    def __init__(self, forward, **parts):
        super().__init__()
        self._forward = forward
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x):
        return self._forward(self, x)


def refused(model, batch, *listed):
    """The whole message, but for the lines of this file; `test_source_lines.py` is about those."""
    uses = "; ".join(listed)
    message = f"{type(model).__name__} uses what has no fixed-point form: {uses}; supported are {SUPPORTED}."
    with pytest.raises(UnsupportedError) as caught:
        quantize(model, batch)
    assert re.sub(r" at `[^`]*`", "", str(caught.value)) == message


def test_functional_and_module_forms_are_the_same_calls():
    network = import_network(Functional(), example((2, 6, 6)))
    assert [call.name for call in network.calls] == [
        "stem", "norm", "norm.relu", "twice", "add", "add.relu", "twice_2", "add_2", "add_2.relu", "tail.0", "tail.1",
        "tail.1.relu", "add_3", "add_4", "maxpool2d", "avgpool2d", "avgpool2d_2", "flatten", "fc", "vector_norm",
        "vector_norm.relu", "fc_2", "keys",
    ]  # fmt: skip
    made = {call.name: call for call in network.calls}
    assert made["twice"].weight == made["twice_2"].weight == "twice.weight"
    assert made["twice"] == Conv2d(
        name="twice", inputs=("norm.relu",), origin="twice", weight="twice.weight", bias="twice.bias", groups=2
    )
    assert made["tail.0"].padding == (1, 0)
    assert made["stem"].padding == (1, 1)
    assert made["add_4"].inputs == ("add_3", "add_2.relu")
    assert (made["avgpool2d_2"].kernel, made["avgpool2d_2"].stride) == ((1, 1), (1, 1))


def test_the_model_stays_as_it_was():
    model = randomized(Functional(), 0)
    model.tail.eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    qmodel = quantize(model, example((2, 6, 6)))
    with torch.no_grad():
        for parameter in qmodel.parameters():
            parameter.add_(1)
    assert model.training
    assert model.stem.training
    assert not model.tail[1].training
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert len(before) == 23


def test_an_in_place_relu_shows_in_what_reads_its_input_later():
    model = Made(lambda self, x: self.b(functional.relu_(y := self.a(x)) + y), a=nn.Linear(4, 4), b=nn.Linear(4, 2))
    network = import_network(model, example((4,)))
    assert [(call.name, call.inputs) for call in network.calls] == [
        ("a", ("input",)),
        ("a.relu", ("a",)),
        ("add", ("a.relu", "a.relu")),
        ("b", ("add",)),
    ]


def test_an_in_place_relu_shows_in_what_dropout_passed_on():
    def forward(self, x):
        y = self.a(x)
        z = self.drop(y)
        functional.relu_(y)
        return self.b(z)

    model = Made(forward, a=nn.Linear(4, 4), drop=nn.Dropout(), b=nn.Linear(4, 2))
    network = import_network(model, example((4,)))
    assert [(call.name, call.inputs) for call in network.calls] == [
        ("a", ("input",)),
        ("a.relu", ("a",)),
        ("b", ("a.relu",)),
    ]


def test_an_in_place_change_under_a_view_is_refused():
    def forward(self, x):
        y = self.a(x)
        flat = y.flatten(1)
        functional.relu_(y)
        return self.b(flat)

    refused(
        Made(forward, a=nn.Conv2d(1, 2, 1), b=nn.Linear(8, 2)),
        example((1, 2, 2)),
        "aten.relu_.default in the model's own forward (it changes in place a value that is also read in another form; "
        "use the form that copies)",
    )


def test_what_does_not_reach_the_output_is_left_out():
    def forward(self, x):
        self.b(x)
        return self.a(x)

    network = import_network(Made(forward, a=nn.Linear(4, 4), b=nn.Linear(4, 2)), example((4,)))
    assert [call.name for call in network.calls] == ["a"]


def test_pools_and_adaptive_pools():
    model = nn.Sequential(nn.AvgPool2d(3, 1), nn.AdaptiveAvgPool2d((2, 1)), nn.Flatten(), nn.Linear(2, 2))
    network = import_network(model, example((1, 6, 6)))
    assert network.calls[0] == AvgPool2d(name="0", inputs=("input",), origin="0", kernel=(3, 3), stride=(1, 1))
    assert network.calls[1] == AvgPool2d(name="1", inputs=("0",), origin="1", kernel=(2, 4), stride=(2, 4))


def test_repeated_addition_of_a_value_to_itself():
    network = import_network(Made(lambda self, x: functional.relu(x + x)), example((4,)))
    assert network.calls == (
        Add(name="add", inputs=("input", "input")),
        Relu(name="add.relu", inputs=("add",), base="add"),
    )


def test_all_unsupported_layers_come_in_one_message():
    model = nn.Sequential()
    model.add_module("stem", nn.Conv2d(1, 4, 7, padding=1, padding_mode="reflect"))
    model.add_module("act", nn.Sequential(nn.ReLU(), nn.Softshrink()))
    model.add_module("pool", nn.MaxPool2d(2, padding=1))
    model.add_module("mean", nn.AdaptiveAvgPool2d(2))
    model.add_module("flat", nn.Flatten())
    model.add_module("norm", nn.GroupNorm(4, 16))
    refused(
        model,
        example((1, 9, 9)),
        "aten.pad.default in 'stem' (mode='reflect' pads other numbers than zeros; pad with zeros)",
        "aten.softshrink.default in 'act.1'",
        "aten.max_pool2d.default in 'pool' (padding (1, 1) of values that may be negative; put a ReLU right before it)",
        "aten.adaptive_avg_pool2d.default in 'mean' (output size (2, 2) does not divide the input size (3, 3); choose "
        "one that does)",
        "aten.group_norm.default in 'norm'",
    )


CASES = {
    "alpha": (
        lambda self, x: torch.add(x, x, alpha=2),
        (4,),
        "aten.add.Tensor in the model's own forward (alpha=2; scale the operand's layer instead)",
    ),
    "division by zero": (
        lambda self, x: x / 0,
        (4,),
        "aten.div.Tensor in the model's own forward (it divides by 0; leave it out)",
    ),
    "quotient": (
        lambda self, x: x / x.abs(),
        (4,),
        "aten.abs.default in the model's own forward",
        "aten.div.Tensor in the model's own forward (other is a value of the network; only numbers can stand there)",
    ),
    "parameter": (
        lambda self, x: x - self.p,
        (4,),
        "aten.sub.Tensor in the model's own forward (other is the constant 'p'; add a parameter that holds its "
        "negative)",
    ),
    "larger parameter": (
        lambda self, x: x * self.k,
        (1, 1, 2),
        "aten.mul.Tensor in the model's own forward (the constant 'k' of shape (1, 1, 2, 2) does not broadcast to "
        "samples (1, 1, 2); give it axes of that size or 1)",
    ),
    "factors": (
        lambda self, x: x @ x.unsqueeze(1).transpose(2, 3),
        (4, 3),
        "aten.matmul.default in the model's own forward (samples (4, 3) and (1, 3, 4) are not [.., M, K] and [.., K, "
        "N] with the same axes in front; bring both to as many axes of the same sizes)",
    ),
    "mask": (
        lambda self, x: functional.scaled_dot_product_attention(x, x, x, is_causal=True),
        (4, 3),
        "aten.scaled_dot_product_attention.default in the model's own forward (it masks some of the keys; leave the "
        "mask out)",
    ),
    "batch mean": (
        lambda self, x: x.mean(0, keepdim=True),
        (4,),
        "aten.mean.dim in the model's own forward (dim=[0] reduces the batch; name axes behind it)",
    ),
    "whole mean": (
        lambda self, x: x.mean((1, 2)),
        (4, 3),
        "aten.mean.dim in the model's own forward (it leaves samples without an axis; use keepdim=True)",
    ),
    "broadcast": (
        lambda self, x: x + x.flatten(1)[:, :1] if False else x + functional.max_pool2d(x, (1, 4)),
        (1, 4, 4),
        "aten.add.Tensor in the model's own forward (shapes (1, 4, 4) and (1, 4, 1) differ; bring both to one shape "
        "first)",
    ),
    "axes": (
        lambda self, x: x * x.unsqueeze(1),
        (4,),
        "aten.mul.Tensor in the model's own forward (shapes (4,) and (1, 4) have different numbers of axes; unsqueeze "
        "one of them)",
    ),
    "batch softmax": (
        lambda self, x: torch.softmax(x, 0),
        (4,),
        "aten.softmax.int in the model's own forward (dim=0 is that of the batch; choose another one)",
    ),
    "computed weight": (
        lambda self, x: functional.linear(x, x),
        (4,),
        "aten.linear.default in the model's own forward (weight is not a parameter or buffer of the model)",
    ),
    "reshape": (
        lambda self, x: x.reshape(8, 8),
        (4,),
        "aten.reshape.default in the model's own forward (shape (16, 4) becomes (8, 8); keep the first axis, that of "
        "the batch)",
    ),
    "dropout": (
        lambda self, x: functional.dropout(x),
        (4,),
        "aten.dropout.default in the model's own forward (it is active in eval mode; pass training=self.training)",
    ),
    "batch statistics": (
        lambda self, x: functional.batch_norm(x, None, None, training=True),
        (4,),
        "aten.batch_norm.default in the model's own forward (it uses the statistics of the batch; track running "
        "statistics and export in eval mode)",
    ),
    "divisor": (
        lambda self, x: functional.avg_pool2d(x, 2, divisor_override=3),
        (1, 4, 4),
        "aten.avg_pool2d.default in the model's own forward (divisor_override=3; leave it out)",
    ),
    "ceil": (
        lambda self, x: functional.max_pool2d(x, 2, ceil_mode=True),
        (1, 5, 5),
        "aten.max_pool2d.default in the model's own forward (ceil_mode makes windows that are cut off at the border; "
        "use ceil_mode=False)",
    ),
    "padding ones": (
        lambda self, x: functional.pad(x, (1, 2), value=1.0),
        (4,),
        "aten.pad.default in the model's own forward (value=1.0 pads other numbers than zeros; pad with zeros)",
    ),
    "padding the batch": (
        lambda self, x: functional.pad(x, (0, 0, 0, 1)),
        (4,),
        "aten.pad.default in the model's own forward (pad=[0, 0, 0, 1] changes the first axis, that of the batch; "
        "keep it)",
    ),
    "uncounted padding": (
        lambda self, x: functional.avg_pool2d(x, 3, padding=1, count_include_pad=False),
        (1, 4, 4),
        "aten.avg_pool2d.default in the model's own forward (padding (1, 1) that its means do not count; use "
        "count_include_pad=True)",
    ),
    "cropping everything": (
        lambda self, x: functional.pad(x, (-4, 2)),
        (4,),
        "aten.pad.default in the model's own forward (it crops all of a sample of (4,); keep some of it)",
    ),
    "cropping a transposed one": (
        lambda self, x: functional.conv_transpose2d(x, self.one, None, 3, 1, 2),
        (1, 1, 1),
        "aten.conv_transpose2d.input in the model's own forward (it crops all of a sample of (1, 1, 1); keep some of "
        "it)",
    ),
    "upsampling by a fraction": (
        lambda self, x: functional.interpolate(x, scale_factor=(2, 1.5)),
        (1, 4, 4),
        "aten.upsample_nearest2d.vec in the model's own forward (a sample of (1, 4, 4) becomes (1, 8, 6); only whole "
        "factors repeat every value alike)",
    ),
    "convolving a line": (
        lambda self, x: functional.conv2d(x, self.k),
        (5, 5),
        "aten.conv2d.default in the model's own forward (its input has the shape (5, 5) a sample; only [C, H, W] can "
        "be convolved)",
    ),
    "pooling a plane": (
        lambda self, x: functional.adaptive_avg_pool2d(x, 1),
        (4, 4),
        "aten.adaptive_avg_pool2d.default in the model's own forward (its input has the shape (4, 4) a sample; only "
        "[C, H, W] can be pooled)",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_refusal_says_why(case):
    forward, shape, *listed = CASES[case]
    parts = {
        "p": nn.Parameter(torch.ones(4)),
        "k": nn.Parameter(torch.ones(1, 1, 2, 2)),
        "fc": nn.Linear(4, 2),
        "one": nn.Parameter(torch.ones(1, 1, 1, 1)),
    }
    model = Made(forward, **parts)
    count = {"computed weight": 6, "convolving a line": 1}.get(case, 16)
    refused(model, example(shape, count=count), *listed)


def test_integers_that_are_more_than_numbers_of_rows_are_refused():
    with pytest.raises(UnsupportedError) as caught:
        quantize(Made(lambda self, x: x * 2), np.ones((3, 4), dtype=np.int64))
    assert str(caught.value) == (
        "Made computes with its input of integers; let Embedding layers alone read it, or give an example of floats."
    )


@pytest.mark.parametrize("given", [{}, {"attn_mask": torch.ones(3, 3).triu(1).bool()}], ids=["sequence first", "mask"])
def test_attention_of_another_kind_is_refused_once(given):
    """As torch computes it, the batch is no longer the first axis: fourteen nodes have no form."""
    attention = nn.MultiheadAttention(4, 2, batch_first=bool(given))
    model = Made(lambda self, x: functional.softshrink(self.attend(x, x, x, **given)[0]), attend=attention)
    with pytest.raises(UnsupportedError) as caught:
        quantize(model, example((3, 4)))
    found = re.sub(r"aten\.\w+\.\w+ in 'attend'", "NODE", re.sub(r" at `[^`]*`", "", str(caught.value)))
    assert found.split("; supported are")[0] == (
        "Made uses what has no fixed-point form: NODE (a MultiheadAttention has a form for one sequence as query, key "
        "and value, batch_first=True, and no mask); aten.softshrink.default in the model's own forward"
    )
    assert "forward" not in attention.__dict__


ONE_OR_SEVERAL = "Made must return one tensor that depends on its input, or a tuple of such tensors, not "
RESULTS = {
    "a dict": (lambda self, x: {"logits": x}, ONE_OR_SEVERAL + "a dict; leave the rest out."),
    "a constant": (
        lambda self, x: (x, self.p), ONE_OR_SEVERAL + "2 results, 1 of them constants; leave the rest out."
    ),
    "nothing": (lambda self, x: (x, None), ONE_OR_SEVERAL + "2 results, 1 of them constants; leave the rest out."),
    "groups": (
        lambda self, x: (x, (x + x, x * x)), ONE_OR_SEVERAL + "3 results in groups; leave the rest out."
    ),
    "one value": (
        lambda self, x: ((y := functional.relu(x)), torch.dropout(y, 0.5, train=False)),
        "Made returns the value 'input.relu' twice, and a value leaves a design once; return it once.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", RESULTS)
def test_results_that_are_no_tensors_of_their_own_are_refused(case):
    forward, message = RESULTS[case]
    with pytest.raises(UnsupportedError, match=f"^{re.escape(message)}$"):
        quantize(Made(forward, p=nn.Parameter(torch.ones(3))), example((4,)))


@pytest.mark.parametrize(("value", "shown"), [(float("nan"), "nan"), (float("inf"), "inf")])
def test_broken_constants_are_named(value, shown):
    model = Functional()
    with torch.no_grad():
        model.tail[1].running_var[2] = value
    message = (
        f"Fixed point holds finite numbers only, but buffer 'tail.1.running_var' of the model contains {shown}; train "
        "it again or repair it first."
    )
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        quantize(model, example((2, 6, 6)))
    with torch.no_grad():
        model.fc.weight[0, 0] = value
    with pytest.raises(
        DataError,
        match=f"^{re.escape(message.replace('buffer', 'parameter').replace('tail.1.running_var', 'fc.weight'))}$",
    ):
        quantize(model, example((2, 6, 6)))


def test_broken_examples_are_refused():
    model = nn.Sequential(nn.Linear(4, 2))
    with pytest.raises(
        DataError,
        match=r"^The example must be a float32 .* B >= 1, or int64 for embeddings, not torch.int16 \[3, 4\]\.$",
    ):
        quantize(model, np.zeros((3, 4), dtype=np.int16))
    with pytest.raises(
        DataError,
        match=r"^The example must be a float32 .* or int64 for embeddings, not torch.float32 \[0, 4\]\.$",
    ):
        quantize(model, torch.zeros(0, 4))
    with pytest.raises(
        DataError, match=r"^Fixed point holds finite numbers only, but the example contains NaN or infinity\.$"
    ):
        quantize(model, torch.full((2, 4), float("nan")))
    with pytest.raises(
        DataError, match=r"^The model does not take an example \[2, 5\]: .*shapes cannot be multiplied.*\.$"
    ):
        quantize(model, torch.zeros(2, 5))


def test_a_quantised_model_is_refused():
    qmodel = quantize(nn.Sequential(nn.Linear(4, 2)), example((4,)))
    message = "^The model is quantised already; pass the float model to flow.quantize\\.$"
    with pytest.raises(UnsupportedError, match=message):
        quantize(qmodel, example((4,)))
