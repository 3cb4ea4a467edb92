import re

from flow.reporting.bars import draw_layers
from flow.reporting.binary_points import draw_binary_points
from flow.reporting.curve import draw_training


def cells(svg: str, kind: str) -> list[tuple[float, float, str]]:
    """(x, y, hint) of every cell of one kind, in drawing order."""
    found = re.findall(rf'<rect x="([\d.]+)" y="([\d.]+)"[^>]*class="{kind}"[^>]*><title>(.*?)</title>', svg)
    return [(float(x), float(y), hint) for x, y, hint in found]


def test_a_tensor_has_one_cell_a_bit_each_at_its_power_of_two():
    svg = draw_binary_points({"w": "s6.4"}, {"w": "u3.0"})
    assert [hint for *_, hint in cells(svg, "after sign")] == ["s6.4: sign bit, weight -2^1"]
    assert [hint for *_, hint in cells(svg, "after")] == [f"s6.4: bit of weight 2^{p}" for p in (0, -1, -2, -3, -4)]
    assert [hint for *_, hint in cells(svg, "before")] == [f"u3.0: bit of weight 2^{p}" for p in (2, 1, 0)]
    by_weight = {hint.split("2^")[1]: x for x, _, hint in cells(svg, "after") + cells(svg, "after sign")}
    for x, _, hint in cells(svg, "before"):
        assert by_weight.get(hint.split("2^")[1], x) == x  # one axis for all
    point = float(re.search(r'<line x1="([\d.]+)"[^>]*class="point"', svg)[1])
    assert by_weight["0"] < point < by_weight["-1"]


def test_a_moved_point_is_written_with_an_arrow_and_an_unmoved_one_without():
    svg = draw_binary_points({"a": "s6.4", "b": "s6.4", "c": "s6.4"}, {"a": "s6.5", "b": "s6.4"})
    assert re.findall(r'class="value moved">([^<]*)', svg) == ["s6.5 → s6.4"]
    assert re.findall(r'class="value">([^<]*)', svg) == ["s6.4", "s6.4"]


def test_points_far_from_zero_stay_inside_the_drawing():
    svg = draw_binary_points({"low": "s4.40", "high": "u4.-30"}, {})
    found = cells(svg, "after") + cells(svg, "after sign")
    assert len(found) == 8
    assert all(0 <= x <= 920 for x, *_ in found)


def test_bars_of_one_column_share_a_scale():
    layers = [{"name": n, "op": "dense", "lut": v, "ff": 0, "dsp": 0, "bram": 0} for n, v in (("a", 100), ("b", 50))]
    svg = draw_layers(layers, [{**layers[0], "lut": 200}, {**layers[1], "lut": 50}])
    widths = re.findall(r'width="([\d.]+)"[^>]*class="(\w+)"[^>]*><title>\w+ (\d+) LUT', svg)
    scale = {float(width) / int(value) for width, _, value in widths}
    assert len(widths) == 4
    assert max(scale) - min(scale) < 0.01
    assert [kind for _, kind, _ in widths] == ["estimate", "measured"] * 2


def test_a_curve_has_a_point_an_epoch():
    svg = draw_training([{"epoch": i, "loss": 1.0, "accuracy": 0.5} for i in range(7)], "loss")
    assert len(re.search(r'points="(.*?)"', svg)[1].split()) == 7
    assert len(re.search(r'points="(.*?)"', draw_training([{"epoch": 0, "loss": 0.2}], "loss"))[1].split()) == 1


def test_parts_of_a_training_are_lines_of_their_own_one_after_another():
    epochs = [{"part": part, "epoch": i, "loss": 1.0 + i} for part in ("float", "<learned>") for i in range(3)]
    svg = draw_training(epochs, "loss")
    lines = [[float(point.split(",")[0]) for point in line.split()] for line in re.findall(r'points="(.*?)"', svg)]
    assert [len(line) for line in lines] == [3, 3]
    assert lines[0] + lines[1] == sorted(lines[0] + lines[1])
    assert re.findall(r'class="tick mid">([^<]*)', svg) == ["float: 3 epochs", "&lt;learned&gt;: 3 epochs"]
