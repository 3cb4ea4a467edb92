import itertools
import re
from html.parser import HTMLParser

import pytest

from flow.ir import to_text
from flow.reporting import render_report
from tests.graphs import mlp_graph

HOSTILE = '<script>alert("x")</script>&\'{{ 7*7 }}'
NAMESPACE = "http://www.w3.org/2000/svg"


def train_json(**changes) -> dict:
    return {
        "dataset": "digits",
        "float_accuracy": 0.9806,
        "accuracy": 0.975,
        "post_training_accuracy": 0.9611,
        "epochs": [{"epoch": i, "loss": 1 / (i + 1), "accuracy": 0.9 + i / 100} for i in range(3)],
        "formats": {"fc1.weight": "s6.5", "fc1.output": "u6.2", "odd": "e4m3"},
        "calibrated_formats": {"fc1.weight": "s6.6", "fc1.output": "u6.2"},
        **changes,
    }


def rung(name: str, **changes) -> dict:
    entry = {"name": name, "tool": f"{name} 1.0", "vectors": 360, "values": 3600, "mismatches": 0, "seconds": 0.5}
    return {**entry, "first_mismatch": None, **changes}


def simulate_json(*rungs: dict) -> dict:
    return {"design": "digits_mlp", "vectors": 360, "rungs": list(rungs) or [rung("interpreter"), rung("csim")]}


def estimate_json(**changes) -> dict:
    layers = [
        {"name": "fc1", "op": "dense", "lut": 1432, "ff": 620, "dsp": 0, "bram": 2.5, "cycles": 64},
        {"name": "fc2", "op": "dense", "lut": 410, "ff": 210, "dsp": 16, "bram": 0, "cycles": 32},
    ]
    total = {key: sum(layer[key] for layer in layers) for key in ("lut", "ff", "dsp", "bram")}
    return {
        "design": "digits_mlp", "board": "ultra96_v2", "family": "xcup", "architecture": "stream", "clock_mhz": 100,
        "total": total, "utilisation": {"lut": 2.6, "ff": 0.6, "dsp": 4.4, "bram": 1.2},
        "ceilings": {"lut": 70, "ff": 50, "dsp": 80, "bram": 80},
        "capacity": {"lut": 70560, "ff": 141120, "dsp": 360, "bram": 216},
        "latency_cycles": 210, "ii_cycles": 64, "layers": layers, "measured": None, "error_percent": {}, **changes,
    }  # fmt: skip


def measured_json() -> dict:
    plain = estimate_json()
    layers = [{**layer, "lut": layer["lut"] + 7} for layer in plain["layers"]]
    total = {**plain["total"], "lut": plain["total"]["lut"] + 14}
    measured = {"tool": "Yosys 0.70", "total": total, "layers": layers, "recipe": "synth_xilinx"}
    return {**plain, "measured": measured, "error_percent": {"lut": -0.8, "ff": 0.0, "dsp": 0.0, "bram": None}}


def full_page() -> str:
    return render_report(
        train=train_json(), simulate=simulate_json(), estimates=[measured_json()], design=to_text(mlp_graph())
    )


class Balance(HTMLParser):
    """Every opened element is closed, in order; collects attributes and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open, self.attributes, self.tags, self.words = [], [], [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def test_a_full_page_has_every_section_and_is_well_formed():
    page = full_page()
    parsed = Balance(page)
    assert parsed.open == []
    assert re.findall(r"<h1>(.*?)</h1>", page) == ["digits_mlp"]
    headings = [h.split("<")[0].strip() for h in re.findall(r"<h2>(.*?)</h2>", page)]
    assert headings == ["Learned binary points", "The same bits on every rung", "Cost on ultra96_v2", "The graph"]
    assert "not run" not in page
    assert parsed.tags.count("svg") == 5  # binary points, two curves, utilisation, layers
    for figure in ("98.06 %", "96.11 %", "97.50 %", "2/2", "1,842", "-0.8 %", "exact", "1,562,500"):
        assert figure in page, figure
    assert "s6.6 → s6.5" in page
    assert "fc1 = dense input" in page


def test_the_page_needs_no_network_and_no_script():
    parsed = Balance(full_page())
    page = full_page().replace(NAMESPACE, "")
    assert not re.search(r"https?:|//[a-z]|url\(|@import|@font-face", page)
    assert not {"script", "link", "img", "iframe", "object", "embed"} & set(parsed.tags)
    assert not {"src", "href", "xlink:href", "action", "style"} & {name for name, _ in parsed.attributes}


def test_the_same_data_give_the_same_page():
    assert full_page() == full_page()


PARTS = {
    "train": (train_json(), "flow train RECIPE"),
    "simulate": (simulate_json(), "flow simulate {}"),
    "estimates": ([measured_json()], "flow estimate {} --board BOARD"),
    "design": (to_text(mlp_graph()), "flow export {}"),
}


@pytest.mark.parametrize("present", [c for n in range(5) for c in itertools.combinations(PARTS, n)])
def test_a_stage_that_has_not_run_is_named(present):
    page = render_report(**{key: PARTS[key][0] for key in present}, name="digits_mlp")
    assert Balance(page).open == []
    missing = [command.format("digits_mlp") for key, (_, command) in PARTS.items() if key not in present]
    assert re.findall(r"not run: <code>(.*?)</code>", page) == missing


def test_an_estimate_that_nothing_can_measure_says_why():
    page = render_report(train=train_json(), estimates=[estimate_json()], unmeasured="Conv2d 'a' has no <RTL>.")
    assert "not measured: Conv2d &#39;a&#39; has no &lt;RTL&gt;." in page
    assert "--measure" not in page


def test_an_estimate_without_measurement_says_how_to_get_one():
    page = render_report(estimates=[estimate_json()])
    assert "not run: <code>flow estimate digits_mlp --board ultra96_v2 --measure</code>" in page


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ({}, "NAME"),
        ({"design": "graph mlp\n  return a\n"}, "mlp"),
        ({"estimates": [estimate_json(design="other")]}, "other"),
        ({"train": {**train_json(), "design": "trained"}, "simulate": simulate_json()}, "trained"),
    ],
)
def test_the_name_comes_from_what_is_there(data, name):
    assert f"<h1>{name}</h1>" in render_report(**data)


def test_hostile_names_stay_text_everywhere():
    hostile_cost = estimate_json(design=HOSTILE, board=HOSTILE, family=HOSTILE, architecture=HOSTILE)
    hostile_cost["layers"] = [{**layer, "name": HOSTILE, "op": HOSTILE} for layer in hostile_cost["layers"]]
    first = {"node": HOSTILE, "index": [0], "expected": 1, "actual": 2}
    page = render_report(
        train=train_json(dataset=HOSTILE, formats={HOSTILE: "s6.4", "b": HOSTILE}, calibrated_formats={"b": HOSTILE}),
        simulate=simulate_json(
            rung(HOSTILE, tool=HOSTILE, mismatches=1, first_mismatch=first), rung("b", skipped=HOSTILE)
        ),
        estimates=[hostile_cost],
        design=f"graph {HOSTILE}\n  return {HOSTILE}\n",
        name=HOSTILE,
    )
    parsed = Balance(page)
    assert parsed.open == []
    assert "script" not in parsed.tags
    assert "<script" not in page
    assert "49" not in re.findall(r"<h1>(.*?)</h1>", page)[0]
    assert "".join(parsed.words).count(HOSTILE) >= 12


def test_rungs_are_green_only_when_they_ran_and_compared_something():
    first = {"node": "fc2", "index": [0, 3], "expected": 4, "actual": 5}
    page = render_report(
        simulate=simulate_json(
            rung("torch"), rung("csim", values=0), rung("rtl", mismatches=1, first_mismatch=first),
            rung("netlist", skipped="no g++"),
        )
    )  # fmt: skip
    rows = re.findall(r'<tr class="(good|bad)">\s*<td class="mark">(.)</td><td><strong>(\w+)</strong>', page)
    assert rows == [("good", "✓", "torch"), ("bad", "✗", "csim"), ("bad", "✗", "rtl"), ("bad", "✗", "netlist")]
    assert "first mismatch: fc2[0, 3]: expected 4, got 5" in page
    assert "skipped: no g++" in page
    assert '<p class="big">1/4</p><p>rungs equal, 1 mismatch</p>' in page


def test_use_above_a_ceiling_is_flagged():
    page = render_report(estimates=[estimate_json(utilisation={"lut": 70.1, "ff": 50, "dsp": 130.0, "bram": 0})])
    assert "Over the recommended ceiling: LUT, DSP." in page
    assert page.count("over the ceiling") == 2
    assert page.count('class="share over"') == 2
    assert '<div class="tile bad"><h3>Area' in page
    assert "Over the recommended ceiling" not in render_report(estimates=[estimate_json()])


def test_who_taught_the_net_stands_beside_its_float_form():
    taught = train_json(teacher={"model": "digits_<cnn>", "accuracy": 0.9889})
    assert "32-bit floats; its teacher digits_&lt;cnn&gt; has 98.89 %" in render_report(train=taught)
    assert "its teacher" not in render_report(train=train_json(teacher=None))


def test_several_boards_have_a_section_each_and_the_first_is_the_headline():
    page = render_report(estimates=[estimate_json(), estimate_json(board="pynq_z2", family="xc7")])
    assert re.findall(r"<h2>Cost on (\w+)", page) == ["ultra96_v2", "pynq_z2"]
    assert "LUT and 16 DSP on ultra96_v2" in page
