"""The quantised model as an ordinary module, where its casts stand, and that it computes what the float model does."""

import copy
import math
import re

import pytest
import torch
from torch import nn

from flow.errors import UnsupportedError
from flow.lowering import lower
from flow.training import QuantizedModel, quantize
from flow.training.layers import best_reciprocal
from flow.training.quantizer import quantizers
from tests.training.models import Functional, Random, example, randomized
from tests.training.test_importer import Made


def formats(model, batch, **options):
    """Name -> width and sign of every cast, in order."""
    graph = lower(quantize(model, batch, **options))
    return {n.name: f"{graph.values[n.name].format}".split(".")[0] for n in graph if n.op in ("input", "requantize")}


def test_casts_stand_where_the_rule_says():
    signed = example((2, 6, 6))
    assert formats(randomized(Functional(), 0), signed, weights="s5", activations="u5", sums="s9") == {
        "input": "s5", "stem.out": "s9", "norm.out": "u5", "twice.out": "s9", "add.out": "s5", "twice_2.out": "s9",
        "add_2.out": "u5", "tail.0.out": "s9", "tail.1.out": "u5", "add_3.out": "s9", "add_4.out": "u5",
        "avgpool2d.out": "u5", "avgpool2d_2.out": "u5", "fc.out": "s9", "vector_norm.out": "u5", "fc_2.out": "s5",
    }  # fmt: skip


def test_an_unsigned_input_needs_an_example_without_negatives():
    model = nn.Sequential(nn.Linear(4, 2))
    assert formats(model, example((4,), signed=False)) == {"input": "u6"}
    assert formats(model, example((4,))) == {"input": "s6"}
    assert formats(model, example((4,), signed=False), input="s8") == {"input": "s8"}
    assert formats(model, example((4,), signed=False), activations="s4") == {"input": "s4"}


def test_exact_sums_leave_the_design_even_flattened():
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Conv2d(3, 2, 4), nn.Flatten())
    assert list(formats(model, example((1, 6, 6)))) == ["input", "0.out"]
    assert list(formats(nn.Sequential(nn.Linear(4, 2), nn.ReLU()), example((4,)))) == ["input"]


def test_a_sum_read_by_a_relu_and_another_is_cast_first():
    model = Made(lambda self, x: self.b((y := self.a(x)) + torch.relu(y)), a=nn.Linear(4, 4), b=nn.Linear(4, 2))
    graph = lower(quantize(model, example((4,))))
    assert [(n.name, n.inputs) for n in graph] == [
        ("input", ()),
        ("a", ("input",)),
        ("a.out", ("a",)),
        ("a.relu", ("a.out",)),
        ("add", ("a.out", "a.relu")),
        ("add.out", ("add",)),
        ("b", ("add.out",)),
    ]


def identity_of(qmodel):
    """The same model with every cast switched off: what its layers compute in floats."""
    plain = copy.deepcopy(qmodel).double()
    for module in plain.modules():
        for name, _ in list(module.named_children()):
            if name.endswith("quantizer"):
                setattr(module, name, nn.Identity())
    return plain


@pytest.mark.parametrize("batchnorm", ["fixed", "folded"])
@pytest.mark.parametrize("seed", range(6))
def test_without_casts_it_is_the_float_model(seed, batchnorm):
    """Float sums in another order: equal to 1e-9 of the largest value, in double precision."""
    model = randomized(Random(seed) if seed else Functional(), seed).double().eval()
    batch = example(getattr(model, "shape", (2, 6, 6))).double()
    try:
        qmodel = identity_of(quantize(model, batch, scales="u32", batchnorm=batchnorm))
    except UnsupportedError as error:
        assert batchnorm == "folded" and "cannot be folded" in str(error)  # one reason, two words of it
        return
    expected, found = model(batch).detach(), qmodel(batch).detach()
    assert found.shape == expected.shape
    assert float((found - expected).abs().max()) <= 1e-9 * float(expected.abs().max())


def test_folding_what_has_no_layer_before_it_is_refused():
    model = nn.Sequential(nn.ReLU(), nn.BatchNorm1d(4), nn.Linear(4, 2))
    message = (
        "BatchNorm '1' cannot be folded: it does not follow a Linear or Conv2d that is used nowhere else; choose "
        "batchnorm='fixed'."
    )
    with pytest.raises(UnsupportedError, match=f"^{re.escape(message)}$"):
        quantize(model, example((4,)), batchnorm="folded")
    assert "1.scale" in quantize(model, example((4,))).formats()


@pytest.mark.parametrize("bias", [True, False])
def test_folding_takes_over_scale_and_shift(bias):
    """In double precision and without casts: equal to 1e-12 of the largest value."""
    layers = [nn.Conv2d(2, 3, 3, bias=bias), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(12, 4, bias=bias)]
    model = randomized(nn.Sequential(*layers, nn.BatchNorm1d(4)), 2).double().eval()
    batch = example((2, 4, 4)).double()
    expected = model(batch).detach()
    found = identity_of(quantize(model, batch, batchnorm="folded"))(batch).detach()
    assert found.shape == expected.shape == (16, 4)
    assert float((found - expected).abs().max()) <= 1e-12 * float(expected.abs().max())


def test_folding_leaves_no_batchnorm():
    model = randomized(nn.Sequential(nn.Conv2d(1, 2, 3, bias=False), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten()), 0)
    qmodel = quantize(model, example((1, 5, 5)), batchnorm="folded")
    assert list(qmodel.formats()) == ["input", "0.weight", "0.bias"]


def test_state_dict_round_trip_and_deepcopy():
    batch = example((2, 6, 6))
    model = randomized(Functional(), 0)
    trained, fresh = quantize(model, batch), quantize(randomized(Functional(), 1), 3 * batch)
    assert not torch.equal(trained(batch), fresh(batch))
    fresh.load_state_dict(trained.state_dict())
    assert torch.equal(trained(batch), fresh(batch))
    copied = copy.deepcopy(trained)
    assert torch.equal(trained(batch), copied(batch))
    with torch.no_grad():
        next(iter(copied.parameters())).add_(3)
    assert not any(a is b for a in trained.parameters() for b in copied.parameters())


def test_a_users_own_loop_trains_weights_and_points():
    batch, labels = example((4,), count=64), torch.arange(64) % 2
    qmodel = quantize(randomized(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), 0), batch).train()
    before = {name: tensor.clone() for name, tensor in qmodel.named_parameters()}
    optimizer = torch.optim.SGD(qmodel.parameters(), lr=0.05)
    for _ in range(3):
        optimizer.zero_grad()
        nn.functional.cross_entropy(qmodel(batch), labels).backward()
        optimizer.step()
    assert isinstance(qmodel, QuantizedModel)
    moved = [name for name, tensor in qmodel.named_parameters() if not torch.equal(tensor, before[name])]
    assert len(moved) == len(before) == 10  # two weights, two biases, their points, the input's and the activation's


def test_a_layer_used_twice_is_one_layer():
    qmodel = quantize(Functional(), example((2, 6, 6)))
    used = [step.layer for step in qmodel.steps]
    assert used.count("twice") == used.count("fc") == 2
    assert len(quantizers(qmodel)) == len(qmodel.formats())


def test_tied_weights_stay_tied():
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    model[2].weight = model[0].weight
    qmodel = quantize(model, example((4,)))
    first, second = qmodel.layers["0"], qmodel.layers["2"]
    assert first.weight is second.weight
    assert first.weight_quantizer is second.weight_quantizer
    assert first.bias is not second.bias


def test_module_names_that_python_or_torch_keep_for_themselves():
    model = nn.Sequential()
    for name in ("keys", "values", "items", "a_b"):
        model.add_module(name, nn.Linear(3, 3))
    inner = nn.Sequential()
    inner.add_module("b", nn.Linear(3, 3))
    model.add_module("a", inner)
    qmodel = quantize(model, example((3,)))
    weighted = [step for step in qmodel.steps if not step.name.endswith(".out") and step.inputs]
    assert [step.name for step in weighted] == ["keys", "values", "items", "a_b", "a.b"]
    assert [step.layer for step in weighted] == ["keys_", "values_", "items_", "a_b", "a_b_2"]


def test_a_bare_layer_is_a_model():
    assert [step.name for step in quantize(nn.Linear(3, 2), example((3,))).steps] == ["input", "dense"]


@pytest.mark.parametrize("width", [3, 6, 8])
@pytest.mark.parametrize("size", range(2, 40))
def test_the_reciprocal_is_the_nearest_constant(size, width):
    code, frac = best_reciprocal(size, width)
    errors = {(c, f): abs(c / 2**f - 1 / size) for f in range(20) for c in range(1, 1 << width) if c / 2**f < 1.5}
    best = min(errors.values())
    assert errors.get((code, frac), 0.0) == best if math.log2(size) % 1 else code / 2**frac == 1 / size
