"""Options of single layers: which casts and constants they reach, and every way to get them wrong, whole."""

import pytest
import torch
from torch import nn

from flow.errors import RecipeError
from flow.lowering import encode_input, lower
from flow.training import NETS, Spec, quantize
from flow.training.quantizer import quantizers
from tests.lowering.test_from_torch import compare
from tests.training.models import Functional, example, randomized
from tests.training.test_importer import Made


def widths(model, batch, **options):
    """The width of every quantised tensor."""
    return {place: form.width for place, form in quantize(model, batch, **options).formats().items()}


def changed(model, shape, layers, **options):
    """What `layers` changes: place -> width."""
    batch = example(shape)
    plain, special = widths(model, batch, **options), widths(model, batch, layers=layers, **options)
    assert plain.keys() == special.keys()
    return {place: width for place, width in special.items() if width != plain[place]}


def resnet():
    return randomized(NETS["digits_resnet"](), 0)


def said(layers, model=None, shape=(1, 8, 8), **options):
    with pytest.raises(RecipeError) as caught:
        quantize(model or resnet(), example(shape), layers=layers, **options)
    return str(caught.value)


def test_a_path_reaches_the_constants_and_the_cast_that_follows():
    layers = {"fc1": {"weights": "s4", "biases": "s5", "activations": "u9"}}
    assert changed(NETS["digits_mlp"](), (64,), layers) == {"fc1.weight": 4, "fc1.bias": 5, "fc1.out": 9}


def test_a_pattern_reaches_all_it_matches_and_a_path_beats_it():
    layers = {"block.*": {"weights": "s4", "sums": "s9"}, "block.conv2": {"weights": "s3"}}
    assert changed(resnet(), (1, 8, 8), layers) == {
        "block.conv1.weight": 4, "block.conv1.out": 9, "block.conv2.weight": 3, "block.conv2.out": 9,
        "block.bn2.out": 9,
    }  # fmt: skip


def test_a_relu_module_names_the_cast_behind_it_as_the_layer_before_does():
    assert changed(resnet(), (1, 8, 8), {"stem.1": {"activations": "u4"}}) == {"stem.1.out": 4}
    assert changed(resnet(), (1, 8, 8), {"stem.2": {"activations": "u4"}}) == {"stem.1.out": 4}


def test_functions_go_by_their_names_in_the_graph():
    assert changed(resnet(), (1, 8, 8), {"block.add": {"activations": "u4"}}) == {"block.add.out": 4}
    layers = {"add_3": {"sums": "s10"}, "avgpool2d*": {"activations": "u4"}}
    assert changed(randomized(Functional(), 0), (2, 6, 6), layers) == {
        "add_3.out": 10, "avgpool2d.out": 4, "avgpool2d_2.out": 4,
    }  # fmt: skip


def test_both_calls_of_a_layer_follow_its_path():
    layers = {"twice": {"weights": "s4", "sums": "s9"}}
    found = changed(randomized(Functional(), 0), (2, 6, 6), layers)
    assert found == {"twice.weight": 4, "twice.out": 9, "twice_2.out": 9}


def test_other_options_of_single_layers():
    layers = {"fc1": {"granularity": "channel"}, "fc2": {"khot": 2}, "fc3": {"granularity": "element"}}
    held = quantizers(quantize(NETS["digits_mlp"](), example((64,)), layers=layers))
    assert [tuple(held[f"layers.{key}.weight_quantizer"].frac.shape) for key in ("fc1", "fc2", "fc3")] == [
        (32, 1), (), (10, 32),
    ]  # fmt: skip
    assert [getattr(held[f"layers.{key}.weight_quantizer"], "project", None) is None for key in ("fc1", "fc2")] == [
        True, False,
    ]  # fmt: skip
    modes = {"fc1": {"rounding": "TRN", "overflow": "WRAP"}}
    qmodel = quantize(NETS["digits_mlp"](), example((64,)), layers=modes)
    casts = {n.name: (n.rounding.value, n.overflow.value) for n in lower(qmodel) if n.op == "requantize"}
    assert casts == {"fc1.out": ("TRN", "WRAP"), "fc2.out": ("RND", "SAT")}


@pytest.mark.parametrize("net", ["digits_mlp", "digits_resnet"])
def test_designs_with_options_of_single_layers_keep_their_bits(net):
    layers = {"fc*": {"weights": "s4", "granularity": "channel"}, "block.*": {"khot": 2, "activations": "u5"}}
    layers = layers if net == "digits_resnet" else {"fc*": layers["fc*"], "fc1": {"lengths": "learned"}}
    shape = (64,) if net == "digits_mlp" else (1, 8, 8)
    qmodel = quantize(randomized(NETS[net](), 1), example(shape), layers=layers)
    graph = lower(qmodel)
    codes = encode_input(qmodel, example(shape, seed=1, count=30))
    assert compare(graph, qmodel, codes) == 30 * sum(value.size for value in graph.values.values())


def test_folded_layers_keep_their_path():
    for key in ("stem.0", "stem.1"):
        layers = {key: {"weights": "s4", "activations": "u4"}}
        assert changed(resnet(), (1, 8, 8), layers, batchnorm="folded") == {"stem.0.weight": 4, "stem.1.out": 4}


def test_layers_equal_the_same_options_of_the_whole_model():
    batch = example((64,))
    model = NETS["digits_mlp"]()
    single = quantize(model, batch, layers={"*": {"weights": "s4", "activations": "u4"}}, input="u4")
    assert torch.equal(single(batch), quantize(model, batch, weights="s4", activations="u4")(batch))


INNER = "block.conv1, block.bn1, block.conv2, block.bn2, block.add"
NAMES = f"stem.0, stem.1, stem.2, {INNER}, head.0, head.1, head.2, pool, fc"


def test_all_keys_that_name_nothing_come_in_one_message():
    assert said({"fc9": {"weights": "s4"}, "fc": {"weights": "s4"}, "blok.*": {"sums": "s9"}}) == (
        f"The model has no layer 'fc9', 'blok.*' as layers says; its layers are {NAMES}."
    )
    assert said({"block": {"weights": "s4"}}) == (
        f"The model has no layer 'block' as layers says; its layers are {NAMES}, and 'block.*' names all within."
    )
    assert said({"down": {"weights": "s4"}}).endswith(f"{NAMES}.")  # a MaxPool has no words


def test_of_many_layers_the_near_names_are_shown():
    model = nn.Sequential()
    for index in range(24):
        model.add_module(f"layer{index}", nn.Linear(2, 2))
    many = "The model has no layer 'layr7' as layers says; did you mean 'layer7'"
    assert said({"layr7": {"weights": "s4"}}, model, (2,)).startswith(many)
    listed = ", ".join(f"layer{index}" for index in range(20))
    assert said({"xyz": {"weights": "s4"}}, model, (2,)) == (
        f"The model has no layer 'xyz' as layers says; its layers are {listed} and 4 more."
    )
    outer = nn.Sequential()
    outer.add_module("inner", model)
    assert said({"inner": {"weights": "s4"}}, outer, (2,)).startswith(
        "The model has no layer 'inner' as layers says; did you mean 'inner.*'"
    )


def test_options_that_do_nothing_are_refused():
    message = said({"fc": {"activations": "u4", "weights": "s4"}, "stem.0": {"activations": "u4", "biases": "s4"}})
    assert message.startswith("Options in layers do nothing: what 'fc' names has weights, biases, granularity, ")
    assert "but no activations; what 'stem.0' names has weights, granularity, " in message
    assert message.endswith(", but no activations and no biases; leave them out.")
    assert said({"pool": {"scales": "s4"}}).startswith("Options in layers do nothing: ")  # 1/16 has one digit


def test_options_that_another_one_makes_idle_are_refused():
    """What addresses a table has one point, and digits that are not counted have no sign."""
    model = nn.Sequential(nn.Linear(4, 4), nn.Sigmoid(), nn.Linear(4, 2))
    assert said({"1": {"cast_granularity": "channel"}}, model, (4,)).endswith(
        "but no cast_granularity; leave them out."
    )
    idle = said({"0": {"signed_digits": False}, "2": {"khot": 2}}, model, (4,))
    assert idle.startswith("Options in layers do nothing: what '0' names has weights, biases, granularity, khot, ")
    assert idle.endswith("but no signed_digits; leave them out.")


def test_keys_that_contradict_each_other_are_named():
    assert said({"block.*": {"weights": "s4"}, "*.conv1": {"weights": "s5"}}) == (
        "layers['block.*'] and layers['*.conv1'] want different weights for layer 'block.conv1'; narrow one of them, "
        "or give the layer a key of its own."
    )
    assert "layers['stem.1'] and layers['stem.2'] want different activations" in said(
        {"stem.1": {"activations": "u4"}, "stem.2": {"activations": "u5"}}
    )
    agreeing = {"block.*": {"rounding": "TRN"}, "*.conv1": {"rounding": "TRN"}}
    assert quantize(resnet(), example((1, 8, 8)), layers=agreeing).spec.layers["*.conv1"]["rounding"].value == "TRN"


def test_options_that_together_mean_nothing_name_the_layer():
    assert said({"fc": {"khot": 2}, "f?": {"lengths": "learned"}}) == (
        "In layer 'fc': khot=2 needs words of given length, not lengths='learned'; leave one out."
    )


def test_layers_that_share_a_weight_agree():
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    model[2].weight = model[0].weight
    assert said({"2": {"weights": "s4"}}, model, (4,)) == (
        "'0.weight' and '2.weight' are one constant, but layers asks for different options of them; name both layers "
        "alike."
    )
    assert said({"2": {"stochastic": True}}, model, (4,)).startswith("'0.weight' and '2.weight' are one constant, but ")
    assert changed(model, (4,), {"[02]": {"weights": "s4"}, "0": {"biases": "s4"}}) == {"0.weight": 4, "0.bias": 4}


def test_functional_layers_go_by_the_path_of_their_weight():
    model = Made(lambda self, x: nn.functional.linear(x, self.fc.weight, self.fc.bias), fc=nn.Linear(4, 2))
    assert changed(model, (4,), {"fc": {"weights": "s4"}}) == {"fc.weight": 4}


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (["fc"], "layers maps module paths to options, such as {'fc1': {'weights': 's4'}}, not ['fc']."),
        ({"fc": "s4"}, "layers maps module paths to options, such as {'fc1': {'weights': 's4'}}, not 'fc' to 's4'."),
        ({3: {}}, "layers maps module paths to options, such as {'fc1': {'weights': 's4'}}, not 3 to {}."),
        ({"fc": {"weight": "s4"}}, "In layers['fc']: Quantisation has no option 'weight'; did you mean 'weights'?"),
        (
            {"fc": {"batchnorm": "folded"}},
            "In layers['fc']: Option 'batchnorm' holds for the whole model; give it outside of layers.",
        ),
        (
            {"fc": {"input": "s4"}},
            "In layers['fc']: Option 'input' holds for the whole model; give it outside of layers.",
        ),
        (
            {"fc": {"layers": {}}},
            "In layers['fc']: Option 'layers' holds for the whole model; give it outside of layers.",
        ),
        (
            {"fc": {"granularity": "row"}},
            "In layers['fc']: granularity must be one of tensor, channel, element, not 'row'.",
        ),
        ({"fc": {"khot": 0}}, "In layers['fc']: khot is a number of digits from 1, or None for any, not 0."),
    ],
)
def test_what_is_wrong_is_said_whole(layers, message):
    with pytest.raises(RecipeError) as caught:
        Spec(layers=layers)
    assert str(caught.value) == message


def test_specs_with_layers_compare_and_hash():
    one, two = Spec(layers={"fc": {"rounding": "TRN"}}), Spec(layers={"fc": {"rounding": "RND"}})
    assert one == Spec(layers={"fc": {"rounding": "TRN"}}) != two
    assert len({one, two, Spec()}) == 3
