"""Stream cells under Verilator and cocotb."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flow import resources
from flow.errors import ToolError
from flow.simulation.rtl_verilator import CocotbJob, run_cocotb
from tests.rtl import test_control
from tests.rtl.bench import cells, moves

REPOSITORY = Path(__file__).parents[2]


def harness_sources() -> dict[str, str]:
    folder = resources.folder("rtl")
    order = sorted(folder.glob("*.sv"), key=lambda path: (path.stem != "flow_pkg", path.name))
    sources = {f"cells/{path.name}": path.read_text() for path in order}
    for name in cells.DENSE:
        sources.update(cells.dense_sources(name))
    return {**sources, **moves.sources(), "harness.sv": cells.harness()}


def crossed(scratch: Path, seed: int) -> None:
    job = CocotbJob(harness_sources(), "harness", "tests.rtl.bench.cells_bench", (REPOSITORY,), seed=seed)
    results = (run_cocotb(job, scratch) / "results.xml").read_text()
    assert len(re.findall("<testcase", results)) == 4  # two shares of idle cycles, two of stalls
    assert "<failure" not in results


def test_every_stream_cell_with_pauses_on_both_sides(tmp_path):
    crossed(tmp_path, seed=0)


@pytest.mark.slow
def test_nothing_depends_on_what_registers_hold_before_reset(tmp_path):
    """Registers and memories start with other random bits for every seed; the beats are the model's all the same."""
    for seed in (1, 2, 3):
        crossed(tmp_path, seed)


# One way to break each cell; every one of them must be seen.
BROKEN = [
    ("flow_skid", "if (ready_o) spare_q <= data_i;", "spare_q <= data_i;"),
    ("flow_skid", "valid_o <= spare_valid_q | valid_i;", "valid_o <= (spare_valid_q | valid_i) & ready_i;"),
    ("flow_fifo", "assign ready_o = count_q != CountWidth'(Depth);", "assign ready_o = 1'b1;"),
    ("flow_fifo_block", "assign ready_o = count_q != CountWidth'(Depth);", "assign ready_o = 1'b1;"),
    ("flow_fifo_block", "(ready_i || !valid_o);", "ready_i;"),
    ("flow_width", "assign ready_o = kept < FillWidth'(Out);", "assign ready_o = 1'b1;"),
    ("flow_width", "if (pop) steps_d = steps_q >> (Out * StepWidth);", ""),
    ("flow_table_stream", "COLUMN[data_i", "COLUMN[~data_i"),
    ("flow_fifo_block", "      valid_o <= 1'b0;\n    end else begin", "    end else begin"),
    ("flow_width", "if (!rst_ni) fill_q <= '0;\n    else fill_q", "fill_q"),
    ("flow_quantize_stream", "assign ready_o = ready_i | ~valid_o;", "assign ready_o = 1'b1;"),
    ("flow_fork", "& ~taken_q;", ";"),
    ("flow_argmax", "> best_d", ">= best_d"),
    ("flow_softmax", "(ready_i | ~valid_o);", "1'b1;"),
    ("flow_softmax", "assign ready_o = phase_q == LOAD;", "assign ready_o = (phase_q == LOAD) | (phase_q == SUM);"),
    ("flow_softmax", "if (accept) first_q <= step_q == '0;", "if (accept) first_q <= 1'b0;"),
    ("flow_softmax", "assign over = rest_q >= {1'b0, total_q};", "assign over = rest_q > {1'b0, total_q};"),
    ("flow_softmax_add", "low >> distance", "low >> ahead"),
    ("flow_softmax_add", "assign top_o = larger + ExpWidth'(sum[Mantissa+1]);", "assign top_o = larger;"),
    ("flow_register", "assign ready_o = ready_i | ~valid_o;", "assign ready_o = 1'b1;"),
    ("flow_join", "assign b_ready_o = room & a_valid_i;", "assign b_ready_o = room;"),
    ("flow_pool", "~(last & valid_o & ~ready_i)", "1'b1"),
    ("flow_pool", "sum = first ? wide", "sum = last ? wide"),
    ("flow_window", "assign ready_o = used != FULL;", "assign ready_o = 1'b1;"),
    ("flow_window", "real_tap ? held_q > offset_q : held_q > 0;", "1'b1;"),
    ("flow_window", "real_tap ? held_q > offset_q : held_q > 0;", "~real_tap | (held_q > offset_q);"),
    ("flow_window", "base_move = AddrWidth'((MoveRow % Depth + Depth) % Depth);", "base_move = '0;"),
    ("flow_window", "step && end_window && !keep", "step && end_window"),
    ("flow_reorder", "assign ready_o = used != FULL;", "assign ready_o = 1'b1;"),
    ("flow_reorder", "avail_q > $signed(AvailWidth'(place_i))", "1'b1"),
    ("flow_reorder", "if (step && last_i) freed_q <= '0;\n      else if (step", "if (step"),
    ("flow_reorder", "data_o = zero_q ? '0 : read_q", "data_o = read_q"),
    ("flow_select", "assign ready_o = turn_i & {Ways{room}};", "assign ready_o = {Ways{room}};"),
    ("flow_select", "assign valid = |(turn_i & valid_i);", "assign valid = |valid_i;"),
    ("flow_minifloat_stream", ".Rounding(Rounding)", ".Rounding(2)"),
    ("flow_accumulate", "assign hold = valid_q2 & last_q2 & valid_o & ~ready_i;", "assign hold = 1'b0;"),
    ("flow_accumulate", "assign stall_o = hold & valid_q1;", "assign stall_o = hold;"),
    ("flow_accumulate", "assign stall_o = hold & valid_q1;", "assign stall_o = 1'b0;"),
    ("flow_accumulate", ":Width] << ProductShift)", ":Width])"),
    ("flow_accumulate", "if (valid_q2) acc_q <= sum;", "acc_q <= sum;"),
    ("flow_dense", "if (!stall) begin", "begin"),
    ("flow_depthwise", "if (!stall) begin", "begin"),
    ("flow_dense", "first_fold ? data_i : vector_q[in_fold_q];", "data_i;"),
    ("flow_depthwise", "(group_q == LAST_GROUP) ? '0 : group_q + 1'b1;", "group_q + 1'b1;"),
    ("flow_scale_shift", "assign ready_o = ready_i | ~valid_o;", "assign ready_o = 1'b1;"),
    ("flow_scale_shift", "else if (valid_i && ready_o) begin", "else if (ready_o) begin"),
    ("flow_axis_in", "frame_error_o | (s_axis_tlast_i != last)", "s_axis_tlast_i != last"),
    ("flow_axis_in", "(s_axis_tlast_i != last)", "(s_axis_tlast_i & ~last)"),
    ("flow_axis_in", "(s_axis_tlast_i != last)", "(~s_axis_tlast_i & last)"),
    ("flow_axis_in", "end else if (accept) begin", "end else if (s_axis_tvalid_i) begin"),
    ("flow_axis_out", "if (m_axis_tvalid_o && m_axis_tready_i)", "if (m_axis_tvalid_o)"),
    ("flow_axis_out", "if (!rst_ni) beat_q <= '0;\n    else if", "if"),
    ("flow_delay", "if (advance_i) line_q <= {", "line_q <= {"),
    ("flow_delay", "if (advance_i) line_q <= data_i;", "line_q <= data_i;"),
]


def test_every_cell_with_a_clock_has_a_case_and_is_broken():
    """Here, or on a line or a bus in `test_control`."""
    sources = harness_sources()
    cells_text = {Path(path).stem: text for path, text in sources.items() if path.startswith("cells/")}
    clocked = {name for name, text in cells_text.items() if re.search(r"\bclk_i\b", text)}
    control = set(test_control.CELLS)
    driven = "\n".join(text for path, text in sources.items() if not path.startswith("cells/"))
    assert set(re.findall(r"\b(flow_\w+) +(?:#\(|u_)", driven)) & clocked == clocked - control
    assert {cell for cell, _, _ in BROKEN} & clocked == clocked - control
    assert {cell for cell, _, _ in test_control.BROKEN} == control


@pytest.mark.slow
@pytest.mark.parametrize(("cell", "right", "wrong"), BROKEN)
def test_broken_cells_are_seen(cell, right, wrong, tmp_path):
    sources, path = harness_sources(), f"cells/{cell}.sv"
    assert sources[path].count(right) == 1
    sources[path] = sources[path].replace(right, wrong)
    with pytest.raises(ToolError, match="exit status 1"):
        run_cocotb(CocotbJob(sources, "harness", "tests.rtl.bench.cells_bench", (REPOSITORY,)), tmp_path)
