"""How results look in a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from flow.doctor import Finding
from flow.project import Project
from flow.studies import Outcome

if TYPE_CHECKING:  # the last brings torch along
    from flow.estimation.vendor import Count, Ours, Published
    from flow.stages.check import Checked

__all__ = [
    "boards",
    "checked",
    "comparison",
    "cost",
    "everything",
    "findings",
    "ladder",
    "plain",
    "progress",
    "study",
    "training",
    "vendor",
]

_RESOURCES = ("lut", "ff", "dsp", "bram")


def plain(text: str) -> str:
    """Text whose brackets are not markup."""
    return escape(text)


@contextmanager
def progress(console: Console) -> Iterator[Callable[[str, int, int], None]]:
    """A bar for each task, made when it is first heard of."""
    columns = (
        SpinnerColumn(finished_text="[green]✓"), TextColumn("{task.description}"), BarColumn(bar_width=30),
        MofNCompleteColumn(), TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console) as bars:
        known: dict[str, Any] = {}

        def report(task: str, done: int, total: int) -> None:
            if task not in known:
                known[task] = bars.add_task(escape(task), total=total or None)
            bars.update(known[task], completed=done, total=total or None)

        yield report


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.2f} %"


def training(console: Console, project: Project) -> None:
    """Float, post-training and learned accuracy side by side."""
    content = project.read_json("train.json", "train")
    table, teacher = Table(title=f"{project.name} on {content['dataset']}: test accuracy"), content.get("teacher")
    columns = {f"teacher {teacher['model']}": teacher["accuracy"]} if teacher else {}
    columns |= {"float": content["float_accuracy"], "post-training": content["post_training_accuracy"]}
    columns |= {"learned": content["accuracy"]}
    for heading in columns:
        table.add_column(heading, justify="right")
    table.add_row(*(_percent(share) for share in columns.values()))
    console.print(table)
    if content.get("budget"):
        _budget(console, content["budget"])


def _budget(console: Console, found: dict[str, Any]) -> None:
    """What was asked for, expected and measured: a line for each measurement of a net that changed in between."""
    table = Table(title=f"Budget {found['asked']}, {found['tool']} on {found['family']}")
    resource = found["asked"].partition("<=")[0]
    for heading in (f"estimated {resource}", f"measured {resource}", *(["accuracy"] if found["rounds"] else [])):
        table.add_column(heading, justify="right")
    for entry in found["rounds"] or [found]:
        accuracies = [_percent(entry["accuracy"])] if found["rounds"] else []
        table.add_row(f"{entry['estimated']:,}", f"{entry['measured']:,}", *accuracies)
    console.print(table)
    mark = "[green]met[/]" if found["met"] else "[red]not met[/]"
    used = f"{found['percent_of_limit']:.1f} % of it in use"
    why = "" if found.get("priced", True) else ", all that this net takes while its digits have no price"
    console.print(f"Budget {mark}: {used}{why}.", highlight=False)


def _place(first: dict[str, Any] | None) -> str:
    if first is None:
        return ""
    index = ", ".join(map(str, first["index"]))
    return f"{first['node']}[{index}]: expected {first['expected']}, got {first['actual']}"


def ladder(console: Console, summary: dict[str, Any]) -> None:
    """One line a rung, red where it differs or did not run."""
    table = Table(title=f"{summary['design']}: the ladder on {summary['vectors']} vectors")
    table.add_column("rung", no_wrap=True)
    table.add_column("tool", ratio=1)
    for heading in ("vectors", "codes", "differ", "seconds"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("", ratio=1)
    for rung in summary["rungs"]:
        good = "skipped" not in rung and rung["values"] and not rung["mismatches"]
        said = rung.get("skipped") or _place(rung["first_mismatch"])
        cells = (rung["vectors"], f"{rung['values']:,}", rung["mismatches"], rung["seconds"])
        mark = "[green]equal[/]" if good else f"[red]{escape(said)}[/]"
        table.add_row(rung["name"], escape(rung["tool"]), *(str(cell) for cell in cells), mark)
    console.print(table)


def _beside(estimated: Any, measured: dict[str, Any] | None, key: str) -> str:
    return f"{estimated:,}" if measured is None or key not in measured else f"{estimated:,} / {measured[key]:,}"


def cost(console: Console, content: dict[str, Any]) -> None:
    """Estimate, and the measurement beside it where there is one."""
    measured = content["measured"]
    title = f"{content['design']} on {content['board']}: estimate" + (" / measured" if measured else "")
    alone = "estimate only; --measure synthesises the RTL beside it, where that was exported"
    table = Table(title=title, caption=measured["tool"] if measured else alone)
    table.add_column("layer")
    for key in (*_RESOURCES, "cycles"):
        table.add_column(key.upper() if key != "cycles" else key, justify="right")
    beside = {layer["name"]: layer for layer in measured["layers"]} if measured else {}
    for layer in content["layers"]:
        cells = (_beside(layer[key], beside.get(layer["name"]), key) for key in _RESOURCES)
        table.add_row(escape(layer["name"]), *cells, str(layer["cycles"]))
    total = measured["total"] if measured else None
    table.add_section()
    table.add_row(
        "total", *(_beside(content["total"][k], total, k) for k in _RESOURCES), str(content["latency_cycles"])
    )
    console.print(table)
    if content.get("fmax_mhz"):
        clock = (
            f"Up to {content['fmax_mhz']:g} MHz ({content['fmax_basis']}); slowest: {content['slowest'] or 'control'}."
        )
        console.print(escape(clock), highlight=False, soft_wrap=True)
    if content.get("note"):
        console.print(content["note"], highlight=False, soft_wrap=True)


def vendor(console: Console, content: dict[str, Any]) -> None:
    """Published Vivado figures, ours beside them, and what they say about the estimate, with the basis."""
    from flow.estimation import vendor as figures

    console.print(_published(figures.published(), figures.ours(), figures.calibrated_with()))
    console.print(_counted(figures.counts()))
    found = content["vendor"]
    if found is None:
        console.print(f"{content['board']} is no Xilinx board: nothing published applies.", highlight=False)
        return
    span = f"{found['lut']:,} LUT ({found['lowest']:,} to {found['highest']:,})"
    console.print(f"Vivado might report {span}: {found['basis']}.", highlight=False, soft_wrap=True)


def _published(figures: Sequence[Published], ours: Sequence[Ours], tool: str) -> Table:
    """A line for every stand-in, or one where there is none."""
    caption = f"ours: flow's estimate, in LUTs of {tool}, of the same shapes and widths with random weights"
    table = Table(title="published results of Vivado, and flow's estimate of a stand-in", caption=caption)
    for heading in ("design", "Vivado LUT", "DSP", "our LUT", "DSP", "ratio", "basis, or why there is none of ours"):
        table.add_column(heading, justify="right" if heading.endswith(("LUT", "DSP", "ratio")) else "left")
    for entry in figures:
        counts = (escape(entry.design), f"{entry.lut:,}", "" if entry.dsp is None else f"{entry.dsp:,}")
        lines = [one for one in ours if one.published == entry]
        for one in lines:
            words = escape(f"{one.words}; {entry.basis}")
            table.add_row(*counts, f"{one.lut:,}", f"{one.dsp:,}", f"{one.ratio:.2f}", words)
        if not lines:
            table.add_row(*counts, "", "", "", escape(entry.basis))
    return table


def _counted(counts: Sequence[Count]) -> Table:
    table = Table(title="what others than flow counted of the same designs")
    for heading in ("design", "Vivado LUT", "other LUT", "ratio", "the other count"):
        table.add_column(heading, justify="right" if heading.endswith(("LUT", "ratio")) else "left")
    for count in counts:
        numbers = (f"{count.published.lut:,}", f"{count.lut:,}", f"{count.ratio:.2f}")
        table.add_row(escape(count.published.design), *numbers, escape(count.by))
    return table


def study(console: Console, outcome: Outcome, machine: str) -> None:
    """The tables of a study, and a line for each of its targets."""
    for sheet in outcome.sheets:
        # Without lines between the columns the figures of a study fit 80 characters.
        table = Table(title=sheet.title, caption=sheet.caption, box=SIMPLE, show_edge=False, padding=0)
        for heading in sheet.headings:
            table.add_column(heading, justify="right", no_wrap=True)
        for line in sheet.lines:
            table.add_row(*map(escape, line))
        console.print(table)
    for verdict in outcome.verdicts:
        console.print(verdict, highlight=False, soft_wrap=True)
    console.print(f"Measured on {machine}.", highlight=False, soft_wrap=True)


def comparison(console: Console, project: Project) -> None:
    """LUT places of every format on each family without DSPs, the accuracy beside them, and where the files are."""
    content = project.read_json("compare.json", "compare")
    rows = [row for row in content["rows"] if not row["with_dsp"]]
    units = list(dict.fromkeys(row["unit"] for row in rows))
    for family in dict.fromkeys(row["family"] for row in rows):
        table = Table(title=f"{family}: LUT places", caption=content["tool"], box=SIMPLE, show_edge=False, padding=0)
        for heading in ("format", "bits", *units, "accuracy"):
            table.add_column(heading, justify="left" if heading == "format" else "right", no_wrap=True)
        held = {(row["format"], row["unit"]): row for row in rows if row["family"] == family}
        for name in dict.fromkeys(name for name, _ in held):
            found = [held.get((name, unit)) for unit in units]
            first = next(row for row in found if row is not None)
            reached = "" if first["accuracy"] is None else _percent(first["accuracy"])
            table.add_row(name, str(first["bits"]), *("" if r is None else f"{r['sites']:,}" for r in found), reached)
        console.print(table)
    console.print(f"Findings: {project.path('findings.md')}; plots: {project.path('plots')}", highlight=False)


def checked(console: Console, result: Checked) -> None:
    """What a supported model consists of, and which factors were rounded."""
    listed = ", ".join(f"{count} {name}" for name, count in result.operators.items())
    console.print(f"Every node of {plain(repr(result.model))} is supported: {listed}.", highlight=False)
    if result.input_unit != 1:
        console.print(f"One unit of the input is worth {float(result.input_unit):.9g}.", highlight=False)
    for factor in result.factors:
        console.print(
            f"{plain(factor.node)}: {factor.used} stands for {factor.wanted:.9g}, off by {factor.error:.2g}.",
            highlight=False,
        )


def boards(console: Console, known: Sequence[Any]) -> None:
    """What each board has; of a width that the 80 columns of a terminal hold."""
    table = Table(box=SIMPLE, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column("board", no_wrap=True)
    table.add_column("family", no_wrap=True)
    table.add_column("part")
    for heading in ("LUT", "FF", "DSP", "BRAM", "Kibit", "MHz"):
        table.add_column(heading, justify="right", no_wrap=True)
    for board in known:
        sizes = (board.resources.lut, board.resources.ff, board.resources.dsp, board.resources.bram)
        clock, kibit = f"{board.clock_mhz}", f"{board.bram_kibit:g}"
        table.add_row(board.name, board.family.value, board.part, *(f"{s:,}" for s in sizes), kibit, clock)
    console.print(table)


def findings(console: Console, found: Sequence[Finding]) -> None:
    """Tools that are there and tools that are not."""
    table = Table("tool", "needed for", "found")
    for finding in found:
        state = f"[green]{escape(finding.found)}[/]" if finding.found else f"[red]{escape(finding.fix or '')}[/]"
        table.add_row(finding.tool, finding.needed_for, state)
    console.print(table)


def everything(console: Console, project: Project) -> None:
    """What `flow run` found: ladder, cost on every board, and last the accuracy and where the page is."""
    ladder(console, project.read_json("simulate.json", "simulate"))
    for path in sorted(project.folder.glob("estimate.*.json")):
        cost(console, project.read_json(path.name, "estimate"))
    training(console, project)
    console.print(f"Report: {project.path('report.html')}", highlight=False)
