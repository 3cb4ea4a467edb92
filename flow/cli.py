"""The command line: parse, call one stage, show what it found. Exit status 0 only when the promise holds."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from flow import show
from flow.errors import FlowError
from flow.exporters.writer import write_file

if TYPE_CHECKING:
    from flow.synthesis import Family

__all__ = ["app", "main"]

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
_out, _errors = Console(), Console(stderr=True)
_INTERRUPTED = 130

Build = Annotated[Path, typer.Option("--build", help="Folder that holds one folder per design.")]
Name = Annotated[str, typer.Argument(help="Design: a folder under --build.")]
Scales = Annotated[str, typer.Option(help="ONNX scales that are no powers of two: error, or dyadic.")]
RecipeArgument = Annotated[str, typer.Argument(help="A YAML file, or the name of a built-in recipe.")]
_BUILD = Path("build")


def _split(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def _sizes(text: str | None) -> tuple[int, ...]:
    parts = _split(text)
    if not all(part.isdecimal() and int(part) for part in parts):
        raise FlowError(f"A shape is positive integers between commas, as 1,28,28, not {text!r}.")
    return tuple(int(part) for part in parts)


def _given(**options: Any) -> dict[str, Any]:
    """The options that were not left out."""
    return {name: value for name, value in options.items() if value is not None}


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    try:
        with show.progress(_out) as report:
            yield report
    except KeyboardInterrupt:
        _errors.print("Interrupted; nothing is half-written. The same command goes on where this one stopped.")
        raise typer.Exit(_INTERRUPTED) from None


def _keep_to_budget(project: Any) -> None:
    """Exit status 1 where a budget was asked for and is not met."""
    budget = project.read_json("train.json", "train").get("budget")
    if budget and not budget["met"]:
        raise typer.Exit(1)


@app.command()
def run(recipe: RecipeArgument, build: Build = _BUILD) -> None:
    """Train, export, simulate, estimate, report; the same command goes on after an interruption."""
    from flow.recipe import load_recipe
    from flow.stages.run import run_stages

    loaded = load_recipe(recipe)
    with _progress() as report:
        project = run_stages(loaded, recipe, build, report)
    show.everything(_out, project)
    _keep_to_budget(project)


@app.command()
def train(
    recipe: RecipeArgument,
    budget: Annotated[
        str | None,
        typer.Option(help="What the design may take: 'lut<=8000', 'dsp<=16' or 'latency<=300'. Default: the recipe's."),
    ] = None,
    build: Build = _BUILD,
) -> None:
    """Train in float, then with learned binary points; write both results; exit 1 where a budget is missed."""
    from flow.recipe import load_recipe
    from flow.stages.train import train_stage

    loaded = load_recipe(recipe).with_budget(budget)
    with _progress() as report:
        project = train_stage(loaded, recipe, build, report)
    show.training(_out, project)
    _keep_to_budget(project)


@app.command()
def export(
    name: Annotated[str, typer.Argument(help="Design: a folder under --build, or an ONNX file that becomes one.")],
    to: Annotated[
        str | None, typer.Option(help="Comma-separated: onnx, hls, hls4ml, verilog. Default: the recipe's.")
    ] = None,
    scales: Scales = "error",
    inputs: Annotated[Path | None, typer.Option(help="Samples for an ONNX file's vectors: a .npy file.")] = None,
    form: Annotated[str | None, typer.Option(help="HLS: parallel (arrays) or stream. Default: the recipe's.")] = None,
    multiplier: Annotated[str | None, typer.Option(help="HLS: tool, dsp, fabric or shift_add.")] = None,
    reuse: Annotated[int | None, typer.Option(help="HLS: products of a sum that share one multiplier.")] = None,
    architecture: Annotated[str | None, typer.Option(help="Verilog: stream or spatial. Default: the recipe's.")] = None,
    depth: Annotated[int | None, typer.Option(help="Verilog, spatial: additions between two registers.")] = None,
    dsp: Annotated[
        int | None, typer.Option(help="Verilog, spatial: DSPs at most. Default: the recipe's, or 0.")
    ] = None,
    target_fps: Annotated[
        float | None, typer.Option(help="Verilog, stream: samples a second at the board's clock.")
    ] = None,
    fit: Annotated[bool | None, typer.Option("--fit", help="Verilog, stream: the fastest that fits the board.")] = None,
    board: Annotated[str | None, typer.Option(help="Verilog: what the design must fit. Default: the recipe's.")] = None,
    build: Build = _BUILD,
) -> None:
    """Write the graph, the projects for other tools, and golden vectors."""
    from flow.stages.export import export_stage, project_of

    with _progress() as report:
        project = project_of(name, build, scales, inputs)
        hls = _given(form=form, multiplier=multiplier, reuse=reuse)
        verilog = _given(architecture=architecture, depth=depth, dsp=dsp, target_fps=target_fps, fit=fit, board=board)
        graph = export_stage(project, _split(to), report, {"hls": hls, "verilog": verilog})
    _out.print(f"Design {graph.name!r}: {len(graph)} nodes written into {str(project.folder)!r}.", highlight=False)


@app.command()
def simulate(
    name: Name,
    rungs: Annotated[str | None, typer.Option(help="Comma-separated rungs. Default: the recipe's.")] = None,
    build: Build = _BUILD,
) -> None:
    """Compare every rung of the ladder with the interpreter, code by code; exit 1 on any mismatch or skipped rung."""
    from flow.project import Project
    from flow.stages.simulate import passed, simulate_stage

    with _progress() as report:
        summary = simulate_stage(Project(build / name), _split(rungs), report)
    show.ladder(_out, summary)
    if not passed(summary):
        raise typer.Exit(1)


@app.command()
def estimate(
    name: Name,
    board: Annotated[str, typer.Option(help="A board that `flow boards` lists.")],
    measure: Annotated[bool, typer.Option("--measure", help="Synthesise the exported RTL and show both.")] = False,
    vendor: Annotated[bool, typer.Option("--vendor", help="Also what Vivado might report, and on what basis.")] = False,
    build: Build = _BUILD,
) -> None:
    """Say what the design costs on a board, layer by layer."""
    from flow.project import Project
    from flow.stages.estimate import estimate_stage

    with _progress() as report:
        content = estimate_stage(Project(build / name), board, measure, report)
    show.cost(_out, content)
    if vendor:
        show.vendor(_out, content)


@app.command()
def report(name: Name, build: Build = _BUILD) -> None:
    """Put everything on one page: build/NAME/report.html."""
    from flow.project import Project
    from flow.stages.report import report_stage

    _out.print(f"Wrote {str(report_stage(Project(build / name)))!r}.", highlight=False)


def _numbers(text: str | None, what: str, such: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in _split(text))
    except ValueError:
        raise typer.BadParameter(f"{what} are numbers such as {such}, not {text!r}.") from None


@app.command()
def study(
    name: Annotated[str, typer.Argument(help="Which study: ptq-vs-qfx, pareto.")],
    datasets: Annotated[str | None, typer.Option(help="Comma-separated. Default: all that the study knows.")] = None,
    bits: Annotated[str | None, typer.Option(help="Word lengths. Default: 8,7,6,5,4,3, of pareto 2,3,4,5,6.")] = None,
    seeds: Annotated[int, typer.Option(help="How many; a later run with more goes on.")] = 5,
    finished: Annotated[bool, typer.Option("--finished", help="Show what is stored and compute nothing.")] = False,
    recipe: Annotated[str | None, typer.Option(help="pareto: whose net. Default: digits_budget.")] = None,
    budgets: Annotated[str | None, typer.Option(help="pareto: comma-separated LUTs. Default: 1000 to 8000.")] = None,
    storage: Annotated[str | None, typer.Option(help="pareto: Optuna URL that workers share. Default: SQLite.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write every figure there as well.")] = None,
    plot: Annotated[Path | None, typer.Option(help="pareto: draw accuracy against LUTs there, as SVG.")] = None,
    build: Build = _BUILD,
) -> None:
    """Compute a table cell by cell; the same command goes on after an interruption."""
    from flow.studies import DRAWN, Choice, run_study
    from flow.studies.rows import machine, write_rows

    if plot is not None and name not in DRAWN:
        raise FlowError(f"--plot draws the study {' and '.join(DRAWN)} only, not {name!r}; leave it out.")
    choice = Choice(
        _split(datasets),
        _numbers(bits, "word lengths", "8,4,3"),
        seeds,
        finished,
        recipe,
        _numbers(budgets, "budgets", "1000,2500"),
        storage,
    )
    with _progress() as report:
        outcome = run_study(name, choice, build, report)
    show.study(_out, outcome, machine())
    if json is not None:
        write_rows(json, outcome.rows, outcome.packages)
    if plot is not None and outcome.drawing is not None:
        write_file(plot, outcome.drawing)


@app.command()
def compare(
    families: Annotated[str | None, typer.Option(help="Comma-separated: xcup, xc7, ecp5. Default: xcup.")] = None,
    units: Annotated[
        str | None, typer.Option(help="Comma-separated: mul, mac, dot8, dot32, dot8_back, tile. Default: all.")
    ] = None,
    bits: Annotated[str, typer.Option(help="Comma-separated word lengths of 3 to 8.")] = "3,4,5,6,7,8",
    nets: Annotated[
        str | None,
        typer.Option(help="Comma-separated: digits_mlp, digits_resnet, glyph_mlp, glyph_resnet20. Default: the first."),
    ] = None,
    seeds: Annotated[int, typer.Option(help="Trainings of each net; a later run with more goes on.")] = 1,
    trained: Annotated[
        str | None, typer.Option(help="What is trained in the format: both, weights, activations. Default: both.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="All families, nets and forms; takes hours.")] = False,
    finished: Annotated[bool, typer.Option("--finished", help="Show what is stored and compute nothing.")] = False,
    build: Build = _BUILD,
) -> None:
    """Minifloats against integers: area and accuracy of every format; goes on where it was interrupted."""
    from flow.stages.compare import compare_stage
    from flow.studies.compare.choice import Choice

    widths = _numbers(bits, "word lengths", "3,4,5")
    choice = Choice(_split(families), _split(units), widths, _split(nets), seeds, _split(trained), full, finished)
    with _progress() as report:
        project = compare_stage(choice, build, report)
    show.comparison(_out, project)


@app.command()
def check(
    model: Annotated[str, typer.Argument(help="A recipe, an ONNX file, or file.py:function that makes a model.")],
    shape: Annotated[str | None, typer.Option(help="One sample's shape for file.py:function, as 1,28,28.")] = None,
    scales: Scales = "error",
) -> None:
    """Say whether every node of a model is supported; list all that are not, and exit 1, before any work is done."""
    from flow.stages.check import check_model

    show.checked(_out, check_model(model, _sizes(shape), scales))


@app.command()
def characterize(
    families: Annotated[str, typer.Option(help="Comma-separated.")] = "xc7,xcup,ecp5,ice40",
    cells: Annotated[str | None, typer.Option(help="Comma-separated cells. Default: all that are swept.")] = None,
    workers: Annotated[int | None, typer.Option(help="Yosys processes at once. Default: one a core.")] = None,
    scheduler: Annotated[str | None, typer.Option(help="A Dask cluster instead, as tcp://host:8786.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of the points. Default: the one estimates read.")] = None,
    clock: Annotated[bool, typer.Option("--clock", help="Place and route designs on an ECP5 as well.")] = False,
) -> None:
    """Measure every cell over its parameters through Yosys; what is measured already is not measured again."""
    from flow.estimation.campaign import characterise, run_local, run_on_cluster
    from flow.estimation.clock_points import measure_clocks
    from flow.estimation.points import DATA

    chosen, folder = [_family(name) for name in _split(families)], data or DATA
    runner = run_on_cluster(scheduler) if scheduler else run_local(workers)
    with _progress() as report:
        done = characterise(chosen, cells=_split(cells) or None, folder=folder, runner=runner, report=report)
        placed = measure_clocks(folder / "clock.json", report) if clock else 0
    new = ", ".join(f"{count} for {family}" for family, count in done.items())
    clocks = f" New clocks: {placed}." if clock else ""
    _out.print(f"New points: {new}; in {str(folder)!r}.{clocks}", highlight=False, soft_wrap=True)
    if data is None:
        _fit()


def _fit() -> None:
    """The coefficients of the points that estimates read."""
    from flow.estimation.calibrate import FITS, write_fits

    write_fits()
    _out.print(f"Coefficients and their errors on points left out: {str(FITS)!r}.", highlight=False, soft_wrap=True)


def _family(name: str) -> Family:
    from flow.synthesis import Family

    try:
        return Family(name)
    except ValueError:
        known = ", ".join(family.value for family in Family)
        raise FlowError(f"There is no family {name!r}; choose among {known}.") from None


@app.command()
def boards() -> None:
    """List the boards that designs can be estimated for."""
    from flow.estimation import list_boards, load_board

    show.boards(_out, [load_board(name) for name in list_boards()])


@app.command()
def doctor() -> None:
    """Say which tools are there, and how to get those that are not; exit 1 if one is missing."""
    from flow.doctor import examine

    findings = examine()
    show.findings(_out, findings)
    if any(finding.found is None for finding in findings):
        raise typer.Exit(1)


def _show_version(wanted: bool) -> None:
    if wanted:
        _out.print(f"flow {version('qfx-flow')}", highlight=False)
        raise typer.Exit


@app.callback()
def _options(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """From a PyTorch model to FPGA hardware that computes the same bits, at a cost known before synthesis."""


def main() -> None:
    """Run the command line; an error of ours is one sentence on stderr and exit status 1."""
    try:
        app()
    except FlowError as error:
        _errors.print(f"[bold red]error:[/] {show.plain(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(1)
