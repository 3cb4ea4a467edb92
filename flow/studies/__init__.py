"""Sweeps that answer a question with a table: computed cell by cell, each stored at once, so that they resume."""

from flow.studies.outcome import Outcome, Sheet
from flow.studies.select import DRAWN, STUDIES, Choice, run_study

__all__ = ["DRAWN", "STUDIES", "Choice", "Outcome", "Sheet", "run_study"]
