"""What the stages wrote, as one HTML page with plots."""

from flow.reporting.report import render_report

__all__ = ["render_report"]
