"""What a graph costs on a board: known before synthesis from closed forms, and measured by synthesis."""

from flow.estimation.boards import Board, list_boards, load_board
from flow.estimation.cost import Cost, LayerCost, LayerUsage, Measured, Usage
from flow.estimation.estimate import estimate
from flow.estimation.fitting import check_fits, fastest_folding, folding_for_pace
from flow.estimation.measure import exported_folding, exported_options, measure

__all__ = [
    "Board",
    "Cost",
    "LayerCost",
    "LayerUsage",
    "Measured",
    "Usage",
    "check_fits",
    "estimate",
    "exported_folding",
    "exported_options",
    "fastest_folding",
    "folding_for_pace",
    "list_boards",
    "load_board",
    "measure",
]
