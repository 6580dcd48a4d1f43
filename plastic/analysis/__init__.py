"""Tables in, comparisons out; nothing in here trains."""

from plastic.analysis.compare import compare, summary
from plastic.analysis.rendering import format_comparison, to_markdown
from plastic.analysis.results import Results, load_results
from plastic.analysis.statistics import holm, mean_interval, paired_difference
from plastic.analysis.summaries import summarize

__all__ = [
    "Results",
    "compare",
    "format_comparison",
    "holm",
    "load_results",
    "mean_interval",
    "paired_difference",
    "summarize",
    "summary",
    "to_markdown",
]
