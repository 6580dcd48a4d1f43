"""A finished sweep as one page that can be sent to a colleague: ``report.html``."""

from plastic.analysis.report.page import report, write_report

__all__ = ["report", "write_report"]
