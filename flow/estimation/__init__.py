"""What a graph costs on a board: known before synthesis from closed forms, and measured by synthesis."""

from flow.estimation.boards import Board, list_boards, load_board
from flow.estimation.cost import Cost, LayerCost, LayerUsage, Measured, Usage
from flow.estimation.estimate import estimate
from flow.estimation.measure import measure

__all__ = [
    "Board",
    "Cost",
    "LayerCost",
    "LayerUsage",
    "Measured",
    "Usage",
    "estimate",
    "list_boards",
    "load_board",
    "measure",
]
