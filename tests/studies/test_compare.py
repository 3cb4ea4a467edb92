"""`flow compare` on a few small formats: what is measured, stored, resumed, refused, and said about it."""

import json
import re
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction

import numpy as np
import pytest
from typer.testing import CliRunner

from flow.cli import app
from flow.errors import RecipeError
from flow.formats import Minifloat
from flow.progress import silent
from flow.project import Project
from flow.studies.cells import Course
from flow.studies.compare.accuracy import NETWORKS, Trial, Trials, trials
from flow.studies.compare.area import Areas, Target, sites
from flow.studies.compare.choice import Choice
from flow.studies.compare.entries import Kind, all_entries
from flow.studies.compare.products import products
from flow.studies.compare.sweep import Sweep, best, measure
from flow.studies.compare.table import accuracy_rows, area_rows, content, text_of
from flow.studies.compare.units import Unit, accumulator_width
from flow.synthesis import Family

ENTRIES = {entry.name: entry for entry in all_entries()}
TINY = replace(NETWORKS["digits_mlp"], courses=(Course(32, 3, 3e-3), Course(8, 1, 2e-3)), samples=64, judged=128)
SWEEP = Sweep(tuple(ENTRIES[name] for name in ("s3", "sm3", "e1m1")), (Family.ECP5,), (Unit.MULTIPLIER, Unit.DOT8_BACK))


class Stopped(BaseException):
    """As Ctrl-C comes."""


def test_every_split_of_every_length_is_there():
    for bits in range(3, 9):
        found = [entry for entry in ENTRIES.values() if entry.bits == bits and entry.kind is Kind.MINIFLOAT]
        assert [(e.exponent, e.mantissa) for e in found] == [(e, bits - 1 - e) for e in range(1, bits)]
        assert {f"s{bits}", f"sm{bits}"} <= ENTRIES.keys()
    assert {"mxfp4", "nvfp4", "mxfp6_e2m3", "mxfp6_e3m2", "mxfp8_e4m3", "mxfp8_e5m2", "mxint8"} <= ENTRIES.keys()
    assert {name for name in ENTRIES if name.startswith("k")} == {
        "k1s3", "k1s4", "k1s5", "k2s5", "k1s6", "k2s6", "k1s7", "k2s7", "k3s7", "k1s8", "k2s8", "k3s8",
    }  # fmt: skip


def test_one_exponent_bit_is_sign_and_magnitude():
    compared = 0
    for bits in range(3, 9):
        form = Minifloat.standard(1, bits - 2)
        magnitudes = np.arange(1 << (bits - 1))
        np.testing.assert_array_equal(form.integers(magnitudes), magnitudes)
        np.testing.assert_array_equal(form.integers(magnitudes + form.sign_code), -magnitudes)
        compared += 2 * len(magnitudes)
        sign, twin = ENTRIES[f"sm{bits}"], ENTRIES[f"e1m{bits - 2}"]
        assert Trial("n", 0, sign, "both", "ptq").alike == Trial("n", 0, twin, "both", "ptq")
    assert compared == sum(1 << bits for bits in range(3, 9))


def test_accumulators_are_exact_and_no_wider():
    for name in ("s4", "sm4", "e2m1", "e3m2"):
        product = products(ENTRIES[name], Family.XCUP, False)[0]
        for terms in (1, 8, 1024):
            width = accumulator_width(product.low, product.high, terms)
            assert -(1 << (width - 1)) <= terms * product.low
            assert terms * product.high < 1 << (width - 1)
            narrower = 1 << (width - 2)
            assert terms * product.high >= narrower or terms * product.low < -narrower
    # minifloat.md A.3, by brute force: exact widths of 784 products.
    assert [
        accumulator_width(-(form.highest_integer**2), form.highest_integer**2, 784)
        for form in map(Minifloat.parse, ("e2m1", "e2m3", "e3m2", "e4m3"))
    ] == [18, 23, 29, 47]


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("areas")
    areas = Areas(Project(folder), silent)
    measure(areas, SWEEP)
    return folder, areas


def points(folder):
    return {path: path.stat().st_mtime_ns for path in (folder / "points").iterdir()}


def test_the_smallest_form_counts(measured):
    rows = area_rows(measured[1], SWEEP)
    assert {(r["format"], r["unit"], r["with_dsp"]) for r in rows} == {
        (name, unit, dsp) for name in ("s3", "sm3", "e1m1") for unit in ("mul", "dot8_back") for dsp in (False, True)
    }
    for row in rows:
        assert row["sites"] == row["forms"][row["form"]] == min(row["forms"].values())
        assert row["sites"] == row["lut"] + 2 * row["carry"]
        assert row["sites"] > 0 or (row["with_dsp"] and row["dsp"])
    by_name = {(r["format"], r["unit"]): r["sites"] for r in rows if not r["with_dsp"]}
    assert by_name["e1m1", "dot8_back"] == by_name["sm3", "dot8_back"]
    assert all(r["sites"] <= by_name[r["format"], r["unit"]] for r in rows if r["with_dsp"])
    competed = [set(r["forms"]) for r in rows if (r["format"], r["unit"], r["with_dsp"]) == ("e1m1", "mul", True)]
    assert len(competed) == 1
    assert {"dsp", "decoded", "array"} <= competed[0]


def test_stored_points_are_taken_and_changed_ones_are_not(measured, monkeypatch):
    folder, areas = measured
    before = points(folder)
    # Five forms as multiplier and MAC, and with DSPs again; four dot products, and three with DSPs. With DSPs one form
    # of sm3 and of e1m1 is the same text, in each unit.
    assert len(before) == 10 + 10 + 4 + 3 - 3
    assert {json.loads(path.read_text())["family"] for path in before} == {"ecp5"}
    monkeypatch.setattr(Areas, "_batch", None)  # nothing is left to measure
    again = Areas(Project(folder), silent)
    measure(again, SWEEP)
    assert area_rows(again, SWEEP) == area_rows(areas, SWEEP)
    assert points(folder) == before
    again = Areas(Project(folder), silent)
    again.sources["flow_mul_array.sv"] += "\nmodule other; endmodule\n"
    target, entry = Target(Family.ECP5, False), ENTRIES["s3"]
    assert best(again, entry, Unit.MULTIPLIER, target) is None


def test_an_interrupted_sweep_keeps_its_points(tmp_path):
    def stop(task, done, total):
        if done:
            raise Stopped

    sweep = replace(SWEEP, units=(Unit.MULTIPLIER,))
    with pytest.raises(Stopped):
        measure(Areas(Project(tmp_path), stop), sweep)
    before = points(tmp_path)
    assert 0 < len(before) < 9
    measure(Areas(Project(tmp_path), silent), sweep)
    assert before.items() <= points(tmp_path).items()


def test_a_place_on_ecp5_is_a_lut_or_half_a_carry_cell(measured):
    target, entry = Target(Family.ECP5, False), ENTRIES["e1m1"]
    found = best(measured[1], entry, Unit.DOT8_BACK, target)
    assert sites(found.area, Family.ECP5) == found.area.lut + 2 * found.area.carry
    assert sites(found.area, Family.XC7) == found.area.lut


def test_trials_resume_and_follow_their_settings(tmp_path, monkeypatch):
    wanted = list(trials([ENTRIES["sm4"], ENTRIES["k1s4"], ENTRIES["mxfp4"], ENTRIES["lmul_e2m1"]], "digits_mlp", 0,
                         ("both",), ("both",)))  # fmt: skip
    assert [str(trial) for trial in wanted] == [
        "s0-float", "s0-sm4-both-ptq", "s0-sm4-both-qat", "s0-k1s4-both-ptq", "s0-k1s4-both-qat", "s0-mxfp4-both-ptq",
        "s0-mxfp4-both-qat", "s0-lmul_e2m1-both-ptq", "s0-lmul_e2m1-both-qat",
    ]  # fmt: skip
    held = Trials(TINY, Project(tmp_path))
    shares = [held.accuracy(trial) for trial in wanted]
    assert all(share * 360 == round(share * 360) for share in shares)
    assert shares[0] > 0.5
    names = {path.name for path in (tmp_path / "accuracies" / "digits_mlp").glob("*.json")}
    assert "s0-e1m2-both-qat.json" in names
    assert not any("sm4" in name for name in names)
    monkeypatch.setattr(Trials, "_computed", None)  # nothing is left to compute
    again = Trials(TINY, Project(tmp_path))
    assert [again.accuracy(trial) for trial in wanted] == shares
    rows = accuracy_rows(again, wanted)
    assert [row["accuracy"] for row in rows] == shares
    assert {row["format"]: row["memory_bits"] for row in rows} == {
        "float": 32.0, "sm4": 4.0, "k1s4": 4.0, "mxfp4": 4.25, "lmul_e2m1": 4.0,
    }  # fmt: skip
    longer = Trials(replace(TINY, courses=(TINY.courses[0], Course(8, 2, 2e-3))), Project(tmp_path))
    assert [longer.stored(trial) is not None for trial in wanted] == [True, *[True, False] * 4]
    assert Trials(replace(TINY, batch=16), Project(tmp_path)).stored(wanted[0]) is None


def test_what_concerns_both_operands_or_weights_only_is_swept_so():
    apart = trials([ENTRIES["lmul_e2m1"], ENTRIES["k1s4"]], "n", 0, ("both", "weights", "activations"), ())
    assert [str(trial) for trial in apart] == [
        "s0-float", "s0-lmul_e2m1-both-ptq", "s0-k1s4-both-ptq", "s0-k1s4-weights-ptq",
    ]  # fmt: skip


def test_the_file_has_the_promised_keys(measured):
    rows = area_rows(measured[1], SWEEP)
    share = {"net": "n", "dataset": "d", "format": "s3", "kind": "integer", "bits": 3, "memory_bits": 3.0,
             "scope": "both", "method": "qat", "seeds": 1, "samples": 360, "accuracy": 0.5, "spread": None}  # fmt: skip
    found = json.loads(text_of(content(rows, [share], SWEEP)))
    assert {"recipe", "tool", "rows"} <= found.keys()
    assert list(found["recipe"]) == ["ecp5", "ecp5 with DSP"]
    wanted = {"family", "unit", "format", "kind", "bits", "lut", "ff", "dsp", "carry", "accuracy"}
    assert all(wanted <= row.keys() for row in found["rows"])
    assert {row["accuracy"] for row in found["rows"] if row["format"] == "s3"} == {0.5}
    assert {row["accuracy"] for row in found["rows"] if row["format"] == "sm3"} == {None}


def test_the_file_has_the_date_of_the_last_measurement_and_not_that_of_the_writing(measured, tmp_path):
    folder, _ = measured
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    for path in points(tmp_path):
        path.write_text(json.dumps({**json.loads(path.read_text()), "date": "2026-01-02"}))
    rows = area_rows(Areas(Project(tmp_path), silent), SWEEP)
    assert {row["date"] for row in rows} == {"2026-01-02"}
    share = {"net": "n", "format": "s3", "scope": "both", "method": "qat", "accuracy": 0.5}
    shares = [{**share, "date": date} for date in (None, "2026-01-01", "2026-01-03")]
    assert [content(rows, shares[:count], SWEEP)["date"] for count in range(4)] == ["2026-01-02"] * 3 + ["2026-01-03"]
    assert content([], [], SWEEP)["date"] == datetime.now(UTC).date().isoformat()


def test_an_accuracy_has_the_date_of_its_last_seed_where_seeds_have_dates(tmp_path):
    held, wanted = Trials(TINY, Project(tmp_path)), [Trial("digits_mlp", seed) for seed in range(2)]
    for trial in wanted:
        held.accuracy(trial)
    assert [held.date(trial) for trial in wanted] == [datetime.now(UTC).date().isoformat()] * 2
    for trial, date in zip(wanted, ("2026-01-03", None), strict=True):
        path = tmp_path / "accuracies" / "digits_mlp" / f"{trial}.json"
        stored = {key: value for key, value in json.loads(path.read_text()).items() if key != "date"}
        path.write_text(json.dumps(stored | ({"date": date} if date else {})))
    assert [row["date"] for row in accuracy_rows(held, wanted)] == ["2026-01-03"]
    assert [row["date"] for row in accuracy_rows(held, wanted[1:])] == [None]


def test_choices():
    assert [family.value for family in Choice(full=True).sweep.families] == ["xcup", "xc7", "ecp5"]
    assert Choice().sweep.units == tuple(Unit)
    logic, dsps, whole = Target(Family.XCUP, False), Target(Family.XCUP, True), Choice(full=True).sweep
    plain = [unit for unit in Unit if unit is not Unit.TILE]
    assert Choice().sweep.units_of(ENTRIES["e5m2"], logic) == plain
    assert Choice().sweep.units_of(ENTRIES["e6m1"], logic) == [Unit.MULTIPLIER, Unit.MAC]
    assert whole.units_of(ENTRIES["e6m1"], logic) == [unit for unit in plain if unit is not Unit.DOT8_BACK]
    assert Choice().sweep.units_of(ENTRIES["s8"], dsps) == list(Unit)
    assert Choice().sweep.units_of(ENTRIES["e4m3"], dsps) == plain  # 19 bits of fixed point
    assert Choice().networks == ("digits_mlp",)
    scopes = {(t.scope, t.method) for t in Choice(bits=(4,)).trials("digits_mlp")}
    assert scopes == {("both", "float"), *((s, "ptq") for s in ("both", "weights", "activations")), ("both", "qat")}
    alone = Choice(bits=(4,), trained=("weights",)).trials("digits_mlp")
    assert {t.scope for t in alone if t.method == "qat"} == {"weights"}
    assert {t.seed for t in Choice(bits=(4,), seeds=2).trials("digits_mlp")} == {0, 1}
    assert Fraction(ENTRIES["nvfp4"].memory_bits) == Fraction(9, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"families": ("xcuq",)}, "The comparison has no family 'xcuq'; did you mean 'xcup'?"),
        ({"families": ("ice",)}, "The comparison has no family 'ice'; the families are xcup, xc7, ecp5."),
        ({"units": ("fma",)}, "The comparison has no unit 'fma'; did you mean 'mac'?"),
        ({"nets": ("lenet",)},
         "The comparison has no net 'lenet'; the nets are digits_mlp, digits_resnet, glyph_mlp, glyph_resnet20."),
        ({"trained": ("weight",)}, "The comparison has no trained part 'weight'; did you mean 'weights'?"),
        ({"bits": (4, 9)}, "The comparison has formats of 3..8 bits, not [9]; give --bits some of them."),
        ({"bits": ()}, "The comparison has formats of 3..8 bits, not none; give --bits some of them."),
        ({"seeds": 0}, "The comparison needs at least one seed, not 0; give --seeds 1 or more."),
    ],
)  # fmt: skip
def test_refusals(options, message):
    with pytest.raises(RecipeError, match=f"^{re.escape(message)}$"):
        Choice(**options)


def test_the_command_shows_what_is_there(tmp_path):
    done = CliRunner().invoke(app, ["compare", "--finished", "--bits", "3", "--build", str(tmp_path)])
    assert done.exit_code == 0, done.output
    content = json.loads((tmp_path / "compare" / "compare.json").read_text())
    assert content["rows"] == []
    assert content["accuracies"] == []
    assert (tmp_path / "compare" / "findings.md").read_text().startswith("# Minifloat against integer")
