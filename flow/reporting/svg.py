"""SVG elements as text: every attribute and every word is escaped on its way in."""

from __future__ import annotations

from markupsafe import Markup, escape

__all__ = ["NOTHING", "Shape", "clipped", "figure", "group", "line", "number", "polyline", "rect", "text"]

Shape = Markup
NOTHING = Markup("")
_SIGNIFICANT = 2


def number(value: float) -> str:
    """A coordinate with at most two decimals, so that the same figure is always the same text.

    >>> number(3.0), number(2.125), number(-0.001)
    ('3', '2.12', '0')
    """
    short = f"{value:.{_SIGNIFICANT}f}".rstrip("0").rstrip(".")
    return "0" if short == "-0" else short


def _element(name: str, attributes: dict[str, str | float], content: Shape) -> Shape:
    shown = ((key, number(v) if isinstance(v, int | float) else v) for key, v in attributes.items() if v != "")
    head = NOTHING.join(Markup(' {}="{}"').format(key, value) for key, value in shown)
    return Markup("<{0}{1}>{2}</{0}>").format(name, head, content)


def _title(hint: str) -> Shape:
    return Markup("<title>{}</title>").format(hint) if hint else NOTHING


def rect(x: float, y: float, width: float, height: float, kind: str, hint: str = "", radius: float = 0) -> Shape:
    """A rectangle of class `kind`; `hint` shows where the pointer rests."""
    box: dict[str, str | float] = {"x": x, "y": y, "width": max(width, 0), "height": height, "class": kind}
    return _element("rect", {**box, "rx": radius if radius else ""}, _title(hint))


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Shape:
    """A straight line of class `kind`."""
    return _element("line", {"x1": x1, "y1": y1, "x2": x2, "y2": y2, "class": kind}, NOTHING)


def polyline(points: list[tuple[float, float]], kind: str) -> Shape:
    """An open line through the points."""
    joined = " ".join(f"{number(x)},{number(y)}" for x, y in points)
    return _element("polyline", {"points": joined, "class": kind}, NOTHING)


def text(x: float, y: float, words: str, kind: str, hint: str = "") -> Shape:
    """Words of class `kind` whose baseline starts, ends or centres at (x, y), as the class says."""
    return _element("text", {"x": x, "y": y, "class": kind}, escape(words) + _title(hint))


def group(*shapes: Shape) -> Shape:
    """Shapes one after another."""
    return NOTHING.join(shapes)


def figure(width: float, height: float, label: str, *shapes: Shape) -> Shape:
    """A whole drawing that scales with the page; `label` says in words what it shows."""
    head: dict[str, str | float] = {
        "viewBox": f"0 0 {number(width)} {number(height)}", "role": "img", "aria-label": label,
    }  # fmt: skip
    return _element("svg", head, group(*shapes))


def clipped(words: str, length: int) -> str:
    """`words` cut to `length` characters, the middle left out, since both ends of a module path tell it apart.

    >>> clipped("features.0.conv", 9), clipped("fc1", 9)
    ('feat…conv', 'fc1')
    """
    if len(words) <= length:
        return words
    head = (length - 1) // 2
    return f"{words[:head]}…{words[len(words) - (length - 1 - head) :]}"
