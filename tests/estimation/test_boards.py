import dataclasses
import json
from pathlib import Path

import pytest
import yaml

from flow.errors import BoardError
from flow.estimation import estimate
from flow.estimation.boards import Board, list_boards, load_board, read_board
from flow.resources import folder
from flow.synthesis import Family
from tests.graphs import mlp_graph

KNOWN = (
    "alveo_u250", "alveo_u280", "alveo_u55c", "arty_a7_100t", "arty_a7_35t", "ice40_hx8k", "icebreaker", "kv260",
    "orangecrab_25f", "pynq_z2", "tang_nano_20k", "tang_nano_9k", "ultra96_v2", "ulx3s_85f", "vck190", "vcu118",
    "zcu102", "zcu104",
)  # fmt: skip


def _message(call, *arguments) -> str:
    with pytest.raises(BoardError) as caught:
        call(*arguments)
    return str(caught.value)


def _file(tmp_path: Path, change) -> Path:
    """`boards/pynq_z2.yaml` after `change` had its way with the content."""
    content = yaml.safe_load((folder("boards") / "pynq_z2.yaml").read_text())
    change(content)
    path = tmp_path / "pynq_z2.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_every_file_in_boards_is_complete():
    assert list_boards() == KNOWN
    boards = [load_board(name) for name in list_boards()]
    assert [board.name for board in boards] == list(KNOWN)
    for board in boards:
        if board.family in (Family.XC7, Family.XCUP):
            assert board.resources.ff == 2 * board.resources.lut  # peers' table: true of every device listed
            assert board.bram_kibit == 36
        assert all(0 < ceiling <= 100 for ceiling in dataclasses.astuple(board.ceilings))
        assert board.clock_mhz > 0


def test_the_two_demo_boards_have_the_counts_of_their_data_sheets():
    ultra, pynq = load_board("ultra96_v2"), load_board("pynq_z2")
    assert (ultra.family, pynq.family) == (Family.XCUP, Family.XC7)
    assert dataclasses.astuple(ultra.resources) == (70560, 141120, 360, 216, 0)
    assert dataclasses.astuple(pynq.resources) == (53200, 106400, 220, 140, 0)


@pytest.mark.parametrize("name", KNOWN)
def test_a_spatial_design_is_estimated_on_every_board(name):
    cost = estimate(mlp_graph(sizes=(8, 6, 4)), load_board(name), architecture="spatial")
    written = json.loads(json.dumps(cost.to_json(), allow_nan=False))
    assert (written["board"], written["architecture"], written["ii_cycles"]) == (name, "spatial", 1)
    assert written["total"]["lut"] > 100 and written["total"]["ff"] > 50 and written["total"]["dsp"] == 0
    assert written["total"]["lut"] == sum(layer["lut"] for layer in written["layers"])
    assert 0 < written["utilisation"]["lut"] < 100


def test_every_count_has_a_document_a_report_or_the_word_unconfirmed():
    """What no document at hand gives is told as such; a bare device table is no source."""
    named = ("nextpnr 0.11.1", "AMD ", "utilisation", "report", "CHaiDNN")
    sources = {name: load_board(name).source for name in KNOWN}
    assert all(any(word in source for word in named) for source in sources.values())
    bare = [
        name for name, source in sources.items() if "device table" in source and "unconfirmed, a device" not in source
    ]
    assert bare == []
    assert [name for name, source in sources.items() if "unconfirmed" in source] == ["vck190", "vcu118", "zcu104"]


def test_every_clock_says_whose_it_is():
    lines = {name: (folder("boards") / f"{name}.yaml").read_text().splitlines() for name in KNOWN}
    clocks = [next(line for line in lines[name] if line.startswith("clock_mhz: ")) for name in KNOWN]
    cited = ("flow's choice", "amaranth-boards ", "litex-boards ", "AMD UG")
    assert [line for line in clocks if not any(word in line for word in cited)] == []


def test_an_unknown_board_is_answered_with_the_known_ones_and_the_closest():
    assert _message(load_board, "Ultra96-V2") == (
        f"Board 'Ultra96-V2' is not one of {', '.join(KNOWN)}; did you mean 'ultra96_v2'?"
    )
    assert _message(load_board, "qqqq") == (
        f"Board 'qqqq' is not one of {', '.join(KNOWN)}; choose one of them or add a YAML file to boards/."
    )


def test_a_path_is_no_board_name():
    assert _message(load_board, "../boards/pynq_z2").startswith("Board '../boards/pynq_z2' is not one of ")


def test_every_key_is_needed(tmp_path):
    keys = [f.name for f in dataclasses.fields(Board) if f.name != "note"]
    for key in keys:
        path = _file(tmp_path, lambda content, key=key: content.pop(key))
        assert _message(read_board, path) == f"Board file 'pynq_z2.yaml' lacks the key '{key}'; add it."
    path = _file(tmp_path, lambda content: content["ceilings"].pop("uram"))
    assert _message(read_board, path) == "Board file 'pynq_z2.yaml' lacks the key 'ceilings.uram'; add it."
    assert len(keys) == 9


@pytest.mark.parametrize(
    ("place", "known"),
    [
        ((), "name, title, part, family, clock_mhz, resources, bram_kibit, ceilings, source, note"),
        (("resources",), "lut, ff, dsp, bram, uram"),
    ],
)
def test_a_key_that_nothing_reads_is_refused(tmp_path, place, known):
    def change(content):
        for key in place:
            content = content[key]
        content["notes"] = 7

    assert _message(read_board, _file(tmp_path, change)) == (
        f"Board file 'pynq_z2.yaml' has a key {'.'.join((*place, 'notes'))!r} that nothing reads; "
        f"choose among {known}, or remove it."
    )


def test_a_family_that_only_stands_in_is_told():
    assert load_board("vck190").note == (
        "Yosys has no Versal mapping: that of UltraScale+ (xcup) stands in, whose LUTs have as many inputs; "
        "carry logic and DSP58 are not those of the device."
    )
    assert load_board("tang_nano_9k").note == (
        "The cells have not been measured for Gowin: those of ECP5, also with LUTs of 4 inputs, stand in."
    )
    assert load_board("pynq_z2").note is None


@pytest.mark.parametrize(
    ("keys", "value", "rule"),
    [
        (("family",), "versal", "family must be one of xc7, xcup, ecp5, ice40, gowin, not 'versal'"),
        (("clock_mhz",), "fast", "clock_mhz must be a number from 0 up, not 'fast'"),
        (("resources", "dsp"), True, "resources.dsp must be a number from 0 up, not True"),
        (("ceilings", "lut"), -1, "ceilings.lut must be a number from 0 up, not -1"),
        (("part",), "", "part must be a text, not ''"),
        (("bram_kibit",), "36", "bram_kibit must be a number from 0 up, not '36'"),
        (("note",), 3, "note must be a text, not 3"),
    ],
)
def test_a_value_of_the_wrong_kind_is_named(tmp_path, keys, value, rule):
    def change(content):
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = value

    assert _message(read_board, _file(tmp_path, change)) == f"Board file 'pynq_z2.yaml': {rule}; correct it."


def test_a_file_must_carry_its_own_name(tmp_path):
    path = _file(tmp_path, lambda content: content.update(name="pynq"))
    assert _message(read_board, path) == (
        "Board file 'pynq_z2.yaml' must carry its own name, not name: pynq; rename one."
    )


def test_a_file_that_is_not_yaml_is_refused(tmp_path):
    path = tmp_path / "torn.yaml"
    path.write_text("name: [unclosed\n")
    assert _message(read_board, path) == (
        "Board file 'torn.yaml' is not YAML (while parsing a flow sequence); correct the file."
    )
    path.write_text("just words\n")
    assert _message(read_board, path) == "Board file 'torn.yaml' lacks the key 'name'; add it."
