"""What each command does: read what an earlier stage left in `build/NAME`, do one job, leave the result there."""

from flow.stages.estimate import estimate_stage
from flow.stages.export import export_stage
from flow.stages.report import report_stage
from flow.stages.run import run_stages
from flow.stages.simulate import simulate_stage
from flow.stages.train import train_stage

__all__ = ["estimate_stage", "export_stage", "report_stage", "run_stages", "simulate_stage", "train_stage"]
