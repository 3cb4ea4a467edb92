"""Walk the file once: every node becomes nodes of our graph, or an entry in the one message of refusals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from flow.errors import FormatError, GraphError, UnsupportedError
from flow.formats import FixedPoint
from flow.ir import Graph
from flow.lowering.from_onnx import (
    constants,
    convolutions,
    elementwise,
    linear,
    moves,
    quant_nodes,
    reductions,
    shapes,
    shares,
    spatial,
)
from flow.lowering.from_onnx.draft import ONE, Draft, Factor, Scales
from flow.lowering.from_onnx.file import Call, OnnxFile, nowhere, read_file
from flow.lowering.from_onnx.tracked import Constant, Lost, Pending, Raw, RefusedError, Signal, Tracked
from flow.lowering.passes import simplify

__all__ = ["HANDLERS", "Loaded", "load_onnx", "read_onnx"]

Handler = Callable[[Draft, Call, tuple[Tracked, ...]], Any]  # Tracked, or one for each of several outputs
_QUANTISERS = ("qonnx.Quant", "qonnx.IntQuant", "qonnx.BipolarQuant", "qonnx.FloatQuant", "QuantizeLinear")
_WIDEST_INPUT = 32

HANDLERS: dict[str, Handler] = {
    "qonnx.Quant": quant_nodes.quant,
    "qonnx.IntQuant": quant_nodes.quant,
    "qonnx.BipolarQuant": quant_nodes.bipolar_quant,
    "qonnx.Trunc": quant_nodes.trunc,
    "qonnx.FloatQuant": quant_nodes.float_quant,
    "QuantizeLinear": quant_nodes.quantize_linear,
    "DequantizeLinear": quant_nodes.dequantize_linear,
    "Clip": quant_nodes.clip,
    "Gemm": linear.gemm,
    "MatMul": linear.matmul,
    "Conv": convolutions.conv,
    "ConvTranspose": convolutions.conv_transpose,
    "BatchNormalization": linear.batch_norm,
    "Relu": elementwise.relu,
    "Add": elementwise.add,
    "Sub": elementwise.sub,
    "Mul": elementwise.mul,
    "MaxPool": shapes.max_pool,
    "AveragePool": shapes.average_pool,
    "GlobalAveragePool": shapes.global_average_pool,
    "ReduceMean": shapes.reduce_mean,
    "ReduceMax": reductions.reduce_max,
    "ReduceSum": reductions.reduce_sum,
    "Flatten": shapes.flatten,
    "Reshape": shapes.reshape,
    "Transpose": moves.transpose,
    "Concat": moves.concat,
    "Slice": moves.slice_axes,
    "Split": moves.split,
    "Gather": moves.gather,
    "Squeeze": shapes.squeeze,
    "Unsqueeze": shapes.unsqueeze,
    "ArgMax": shapes.argmax,
    "Softmax": shares.softmax,
    "Pad": spatial.pad,
    "Resize": spatial.resize,
    "Upsample": spatial.resize,
    "Identity": shapes.same,
    "Dropout": shapes.same,
    "Cast": shapes.cast,
    **dict.fromkeys(elementwise.FUNCTIONS, elementwise.function),
}
_MOVES = ("Identity", "Dropout", "Flatten", "Reshape", "Transpose", "Squeeze", "Unsqueeze")
_THROUGH = (*_QUANTISERS, *_MOVES, "Relu", "Cast", "MaxPool")


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a file became.

    Attributes:
        graph: values are codes of the file's real numbers, those of the input in units of `input_unit`.
        input_unit: what one unit of the input is worth: 1 where its scale is a power of two.
        factors: the real factors that dyadic ones stand for; empty with `scales='error'`.
    """

    graph: Graph
    input_unit: Fraction
    factors: tuple[Factor, ...]


def load_onnx(model: str | Path | bytes, scales: Literal["error", "dyadic"] = "error") -> Graph:
    """The graph of an ONNX file: QONNX (Quant, BipolarQuant, Trunc, FloatQuant) or QuantizeLinear, Clip, Dequantize.

    Real arithmetic gives the file its meaning. With power-of-two scales the graph computes exactly that, Softmax apart,
    whose shares are near the real ones: see `flow.lowering.from_onnx.shares`.

    Args:
        model: a path, or the content of a file.
        scales: what to do where a scale is no power of two: `error`, or `dyadic`, which puts the nearest 16-bit
            M * 2**-k in place of each requantisation factor; the integers then compute exactly with that.

    Raises:
        UnsupportedError: one message lists all nodes that have no form here, with module path and source line.
        DataError: the file cannot be read, or `scales` is neither of the two.
    """
    return read_onnx(model, Scales.named(scales)).graph


def read_onnx(model: str | Path | bytes, scales: Scales | None = None) -> Loaded:
    """As `load_onnx`, with the unit of the input and every factor that was approximated."""
    file = read_file(model)
    walk = _Walk(file, Draft(file.source, scales or Scales(), reserved=set(file.outputs)))
    walk.all()
    if walk.refused:
        raise UnsupportedError(_message(file, walk))
    d = walk.draft
    graph = simplify(_named(Graph(file.name, tuple(d.nodes.values()), walk.outputs), file.outputs))
    return Loaded(graph, d.input_unit, tuple(d.factors))


def _message(file: OnnxFile, walk: _Walk) -> str:
    """What was refused, and each way out once."""
    advice = []
    if walk.unknown:
        advice.append(f"supported are {', '.join(sorted(kind.removeprefix('qonnx.') for kind in HANDLERS))}")
    if walk.unquantised:
        advice.append("a float model goes through flow.quantize first")
    if walk.draft.tainted:
        advice.append("train with scales that are powers of two, or load with scales='dyadic'")
    listed = "; ".join([*walk.refused, *advice])
    return f"ONNX graph {file.name!r} uses what has no fixed-point form: {listed}."


def _named(graph: Graph, outputs: tuple[str, ...]) -> Graph:
    """The same graph, its outputs called as in the file, whatever was put behind the node that had the name."""
    names: dict[str, str] = {}
    for node, wanted in zip(graph.outputs, outputs, strict=True):
        if node not in (*outputs, *names, graph.input.name) and wanted not in graph.outputs:
            names |= {wanted: f"{wanted}/before", node: wanted}
    nodes = tuple(
        replace(node, name=names.get(node.name, node.name), inputs=tuple(names.get(i, i) for i in node.inputs))
        for node in graph
    )
    return Graph(graph.name, nodes, tuple(names.get(name, name) for name in graph.outputs))


def _is_move(call: Call) -> bool:
    """Whether the node gives codes another shape or place only, or casts floats to floats."""
    return call.kind in _MOVES or (call.kind == "Cast" and call.attributes["to"].kind == "f")


class _Walk:
    """`known` says what each value of the file is; `refused` what is said of each node that was not taken."""

    def __init__(self, file: OnnxFile, draft: Draft) -> None:
        self.file, self.draft = file, draft
        self.known: dict[str, Tracked] = {name: Constant(array) for name, array in file.constants.items()}
        self.refused: list[str] = []
        self.unknown = self.unquantised = False
        self.outputs: tuple[str, ...] = ()

    def all(self) -> None:
        """The input, every node, the outputs."""
        self.known[self.file.source.name] = self._source()
        for call in self.file.calls:
            self.draft.call = call
            result = self._visit(call)
            results = result if isinstance(result, tuple) else (result,) * len(call.outputs)
            self.known.update(zip(call.outputs, results, strict=True))
        if not self.refused:
            self.outputs = tuple(self._output(name) for name in self.file.outputs)

    def _source(self) -> Tracked:
        """Integers are codes already; floats wait for their Quant."""
        number = self.file.source.number
        if number.kind not in "iu" or number.itemsize * 8 > _WIDEST_INPUT:
            return Raw(self.file.source.name, ())
        form = FixedPoint(number.itemsize * 8, 0, number.kind == "i")
        return Signal(self.draft.read_input(form), ONE)

    def _visit(self, call: Call) -> Tracked | tuple[Tracked, ...]:
        operands = tuple(self.known.get(name, Lost()) if name else None for name in call.inputs)
        since = len(self.draft.nodes)
        try:
            if call.kind not in HANDLERS and call.kind not in constants.FOLDED:
                self.unknown = True
                raise RefusedError
            result = self._lowered(call, operands)
            self._take_notes(call)
        except (RefusedError, GraphError, FormatError) as error:
            self.draft.notes.clear()
            self._refuse(call, str(error))
            passes = call.kind not in _QUANTISERS and any(isinstance(x, Raw) for x in operands)
            return Raw(call.outputs[0]) if passes else Lost()
        if isinstance(result, Signal):
            result = self.draft.rename_last(result, since)
        return result

    def _lowered(self, call: Call, operands: tuple[Tracked, ...]) -> Any:
        if any(isinstance(x, Lost) for x in operands):
            return Lost()
        present = tuple(x for x in operands if x is not None)
        if call.kind in constants.FOLDED and all(isinstance(x, Constant) for x in present):
            return constants.fold(call, present)
        self._check_operands(call, operands)
        raw = operands[0] if operands else None
        if not isinstance(raw, Raw):
            return HANDLERS[call.kind](self.draft, call, operands)
        if call.kind in _QUANTISERS:
            return self._quantised(call, operands, raw)
        moves = None if raw.moves is None or not _is_move(call) else (*raw.moves, (call, operands))
        return Raw(call.outputs[0], moves)

    def _quantised(self, call: Call, operands: tuple[Any, ...], raw: Raw) -> Tracked:
        """The network's input behind its first Quant, then in the shape that the file gives it before."""
        if raw.moves is None:
            if self.refused:  # and thereby said
                return Lost()
            raise RefusedError("it reads what is computed from real numbers; put a Quant right behind the input")
        made = HANDLERS[call.kind](self.draft, call, (self._source(), *operands[1:]))
        for move, others in raw.moves:
            made = HANDLERS[move.kind](self.draft, move, (made, *others[1:]))
        return made

    def _check_operands(self, call: Call, operands: tuple[Tracked, ...]) -> None:
        """Real numbers pass through what keeps them, and nothing else."""
        if call.kind not in HANDLERS:
            raise RefusedError("it is supported for constants only")
        for x, name in zip(operands, call.inputs, strict=True):
            if isinstance(x, Raw) and call.kind not in _THROUGH:
                self.unquantised = True
                raise RefusedError(f"it reads {name!r}, which is not quantised: put a Quant behind it")
            if isinstance(x, Pending) and call.kind not in _QUANTISERS:
                raise RefusedError(f"it reads {name!r}, a function without a grid: put a Quant behind it")

    def _refuse(self, call: Call, reason: str) -> None:
        self.refused.append(str(call) + (f" ({reason.removesuffix('.')})" if reason else ""))

    def _take_notes(self, call: Call) -> None:
        for note in self.draft.notes:
            self._refuse(call, note)
        self.draft.notes.clear()

    def _output(self, name: str) -> str:
        """The node of an output, in units of 1."""
        found = self.known.get(name)
        if not isinstance(found, Signal):
            raise UnsupportedError(
                f"Output {name!r} of ONNX graph {self.file.name!r} is not a quantised value that depends on the input; "
                "put a Quant on it."
            )
        self.draft.call = nowhere(name)
        since = len(self.draft.nodes)
        return self.draft.rename_last(self.draft.to_unit(found, ONE), since).node
