"""Every cell of `rtl/` is swept, or stands in a swept one, or has no part in a network's cost."""

import re

from flow.estimation.calibrate import FORMS
from flow.estimation.characterise import needed_by, rtl_sources
from flow.estimation.generated import GENERATED
from flow.estimation.sweeps import SWEEPS, cell_of

# Cells that are measured as a part only: a sweep that holds them.
PARTS = {
    "flow_accumulate": "flow_dense", "flow_dot_pair": "flow_dot", "flow_dot_sum": "flow_dot",
    "flow_minifloat_unpack": "flow_minifloat_decode", "flow_mul": "flow_dot_dsp", "flow_mul_dsp": "flow_dot_dsp",
    "flow_mul_row": "flow_mul_array", "flow_softmax_add": "flow_softmax", "flow_reorder": "move",
    "flow_select": "concat",
}  # fmt: skip
# A table's entries are no number; the generated `table` is such a ROM, without the register.
ELSEWHERE = {"flow_table_stream": "table"}
# Constants and functions; what connects a network to a processor or a serial line.
NO_PART = {"flow_pkg", "flow_axi_control", "flow_uart_bridge", "flow_uart_rx", "flow_uart_tx"}


def texts_of(sweep: str) -> list[str]:
    return [text for _, text in GENERATED[sweep]()] if sweep in GENERATED else [f"{cell_of(sweep)} "]


def test_every_cell_is_measured():
    sources = rtl_sources()
    cells = {name.removesuffix(".sv") for name in sources}
    swept = {cell_of(name) for name in SWEEPS}
    assert cells - swept == PARTS.keys() | ELSEWHERE.keys() | NO_PART
    for cell, sweep in PARTS.items():
        assert f"{cell}.sv" in needed_by(texts_of(sweep)[:1], sources), (cell, sweep)
        assert sweep in SWEEPS or sweep in GENERATED
    assert set(ELSEWHERE.values()) <= GENERATED.keys()
    network = {word for name in swept for word in re.findall(r"flow_\w+", sources[f"{name}.sv"])}
    assert not network & (NO_PART - {"flow_pkg"})


def test_every_sweep_has_a_form():
    assert {form.cell for form in FORMS.values()} == SWEEPS.keys() | GENERATED.keys()
