"""LSTM, GRU and RNN, unrolled: near the float layer at many bits, the interpreter's bits at few, every exporter."""

import pytest
import torch
from torch import nn
from torch.nn import functional

import flow
from flow.lowering import encode_input, lower
from flow.training import fit, quantize
from tests.lowering.test_from_torch import compare
from tests.training.models import example
from tests.training.test_importer import Made, refused

SHAPE = (3, 4)
LAYERS = {
    "lstm": (nn.LSTM, {}),
    "gru": (nn.GRU, {}),
    "rnn": (nn.RNN, {}),
    "relu without biases": (nn.RNN, {"nonlinearity": "relu", "bias": False}),
    "lstm, two layers, both ways": (nn.LSTM, {"num_layers": 2, "bidirectional": True}),
    "gru, two layers, both ways": (nn.GRU, {"num_layers": 2, "bidirectional": True, "bias": False}),
}
WIDE = {"weights": "s12", "biases": "s14", "activations": "s12", "sums": "s14", "tables": "s12", "input": "s12"}
FEW = {"weights": "s4", "activations": "s5", "tables": "s6"}


def sequence(kind, options):
    """The last hidden state of every step, and with it the last state of the last layer, through one Linear."""
    torch.manual_seed(0)
    layer = kind(SHAPE[1], 3, batch_first=True, **options)
    width = 6 if options.get("bidirectional") else 3

    def forward(self, x):
        every, last = self.layer(x)
        last = last[0] if isinstance(last, tuple) else last
        return self.fc(torch.cat([every[:, -1], last[-1]], 1))

    return Made(forward, layer=layer, fc=nn.Linear(width + 3, 2)).eval()


def cells(cell):
    """A cell over the steps of a sequence; its state starts from zeros, once given and once not."""
    torch.manual_seed(0)

    def forward(self, x):
        state = self.cell(x[:, 0])
        for step in x.unbind(1)[1:]:
            state = self.cell(step, state)
        return state[0] if isinstance(state, tuple) else state

    return Made(forward, cell=cell(SHAPE[1], 3)).eval()


def assert_near_and_exact(model):
    x = example(SHAPE)
    wide = quantize(model, x, **WIDE).eval()
    with torch.no_grad():
        assert torch.allclose(wide(x), model(x), atol=0.01 * float(model(x).abs().max()))
    qmodel = quantize(model, x, **FEW)
    graph = lower(qmodel)
    assert compare(graph, qmodel, encode_input(qmodel, example(SHAPE, 1))) == 16 * sum(
        value.size for value in graph.values.values()
    )


@pytest.mark.filterwarnings("ignore:The tensor attributes")
@pytest.mark.parametrize("case", LAYERS)
def test_sequences(case):
    assert_near_and_exact(sequence(*LAYERS[case]))


@pytest.mark.parametrize("cell", [nn.LSTMCell, nn.GRUCell, nn.RNNCell])
def test_cells(cell):
    assert_near_and_exact(cells(cell))


def test_the_calls_of_a_cell():
    graph = lower(quantize(Made(lambda self, x: self.a(x)[0], a=nn.LSTMCell(2, 3)), example((2,))))
    # From zeros: no product with the state, no gate that would keep a cell of zeros.
    assert [node.name for node in graph] == [
        "input", "a.i.x", "a.g.x", "a.o.x", "a.open.in", "a.open", "a.new.in", "a.new", "a.taken", "a.show.in",
        "a.show", "a.squashed.in", "a.squashed", "a",
    ]  # fmt: skip


@pytest.mark.filterwarnings("ignore:The tensor attributes")
def test_steps_share_their_constants_and_train():
    x = torch.randn(256, *SHAPE, generator=torch.Generator().manual_seed(0))
    y = (x[:, 0, 0] + x[:, 2, 1] > 0).long()
    model = quantize(sequence(nn.GRU, {}), x, weights="s6", activations="s6")
    weights = {layer.weight.data_ptr() for layer in model.layers.values() if hasattr(layer, "weight")}
    assert len(weights) == 7
    result = fit(model, (x, y), (x, y), epochs=15, seed=0, lr=0.03)
    assert result.epochs[0].loss - result.epochs[-1].loss > 0.2
    graph = lower(model)
    assert compare(graph, model, encode_input(model, x[:20])) == 20 * sum(v.size for v in graph.values.values())


@pytest.mark.filterwarnings("ignore:The tensor attributes")
@pytest.mark.parametrize("rung", ["onnxruntime", pytest.param("csim", marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_exported_forms_have_the_same_bits(kind, rung):
    graph = lower(quantize(sequence(kind, {}), example(SHAPE), **FEW))
    ladder = flow.simulate(graph, example(SHAPE, 1), rungs=[rung])
    assert ladder.passed and ladder.rungs[0].nodes == len(list(graph)), str(ladder)


def lstm(**options):
    return nn.LSTM(4, 3, **options)


@pytest.mark.filterwarnings("ignore:The tensor attributes", "ignore:LSTM with projections")
@pytest.mark.parametrize(
    ("forward", "parts", "shape", "message"),
    [
        (
            lambda self, x: self.a(x)[0], {"a": lstm()}, SHAPE,
            "aten.lstm.input in 'a' (its first axis is that of the steps; build it with batch_first=True)",
        ),
        (
            lambda self, x: self.a(x)[0], {"a": lstm(batch_first=True, proj_size=2)}, SHAPE,
            "aten.lstm.input in 'a' (it projects its state; leave proj_size at 0)",
        ),
        (
            lambda self, x: functional.relu(self.a(x)[1][0]), {"a": lstm(batch_first=True)}, SHAPE,
            "aten.relu.default in the model's own forward (it reads the last states of several layers at once; take "
            "one of them, as h[-1] does)",
        ),
        (
            lambda self, x: self.a(x[:, 0], (x[:, 1, :3], x.new_zeros(len(x), 3)))[0], {"a": nn.LSTMCell(4, 3)}, SHAPE,
            "aten.lstm_cell.default in 'a' (one of its two states starts from zeros and the other does not; start both "
            "alike)",
        ),
        (
            lambda self, x: self.a(x, x[:, :1].transpose(0, 1)[..., :3])[0], {"a": nn.GRU(4, 3, 1, True, True)}, SHAPE,
            "aten.transpose.int in the model's own forward (it moves the axis of the batch; leave that one first); "
            "aten.gru.input in 'a' (its first state is a value of the model; unroll a cell, or start from zeros)",
        ),
    ],
)  # fmt: skip
def test_refusals(forward, parts, shape, message):
    refused(Made(forward, **parts).eval(), example(shape), message)
