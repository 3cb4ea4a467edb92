"""Whoever adds an operator reads here what is still missing."""

from __future__ import annotations

import pytest

from flow.estimation.analytic import _CASES as _COSTS
from flow.exporters.hls4ml.exact import ABSENT
from flow.exporters.hls4ml.layers import HANDLERS as HLS4ML_HANDLERS
from flow.exporters.hls4ml.rewrite import REWRITES
from flow.exporters.onnx_integer import HANDLERS
from flow.exporters.onnx_qonnx import QONNX_HANDLERS
from flow.exporters.verilog.spatial.moves import MOVES
from flow.exporters.verilog.spatial.operators import OPERATORS as SPATIAL
from flow.ir import OPERATORS, Input, Node
from flow.ir.formulas import FORMULAS
from tests.ir.random_graphs import DRAWS
from tests.ir.reference import REFERENCE
from tests.ir.strategies import SINGLE

# What every operator needs, by the class of its node.
TABLES = {
    "a formula in flow/ir/formulas.py": set(FORMULAS),
    "a handler in flow/exporters/onnx_integer.py": set(HANDLERS),
    "a handler in flow/exporters/onnx_qonnx.py": set(QONNX_HANDLERS),
    "a layer, a rewriting or a refusal in flow/exporters/hls4ml": {*HLS4ML_HANDLERS, *REWRITES, *ABSENT},
    "words or wires in flow/exporters/verilog/spatial": {*SPATIAL, *MOVES},
    "a cost in flow/estimation/analytic.py": set(_COSTS),
    "a formula on fractions in tests/ir/reference.py": set(REFERENCE),
    "a strategy in tests/ir/strategies.py": set(SINGLE),
    "a draw in tests/ir/random_graphs.py": set(DRAWS),
}


@pytest.mark.parametrize("operator", [cls for cls in OPERATORS.values() if cls is not Input], ids=lambda cls: cls.op)
def test_every_operator_has_everything(operator: type[Node]):
    assert [what for what, classes in TABLES.items() if operator not in classes] == []


@pytest.mark.parametrize("what", TABLES)
def test_no_table_knows_an_operator_that_is_gone(what: str):
    assert TABLES[what] <= set(OPERATORS.values())


def test_operators_are_stored_under_their_own_names():
    assert {name: cls.op for name, cls in OPERATORS.items()} == {name: name for name in OPERATORS}
