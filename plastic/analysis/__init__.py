"""Tables in, comparisons out; nothing in here trains."""

from plastic.analysis.bayes import Equivalence, bayes_signed_rank, bayes_t
from plastic.analysis.bootstrap import STATISTICS, Estimate, estimate
from plastic.analysis.compare import compare, summary
from plastic.analysis.curves import area_under_curve, curves, first_reached, milestones
from plastic.analysis.film import Film, film_of
from plastic.analysis.importance import parameter_importance
from plastic.analysis.judging import judge, verdict
from plastic.analysis.pareto import pareto, pareto_front
from plastic.analysis.plots import (
    plot_convergence,
    plot_critical_difference,
    plot_final,
    plot_importance,
    plot_pareto,
    plot_performance_profile,
    plot_size,
    plot_tasks,
)
from plastic.analysis.plots_metrics import plot_metric
from plastic.analysis.plots_runs import plot_arms, plot_edits, plot_topology
from plastic.analysis.profiles import performance_profile, probability_of_improvement
from plastic.analysis.ranking import Ranking, friedman, nemenyi, rank_policies, wilcoxon
from plastic.analysis.rendering import format_comparison, to_markdown
from plastic.analysis.results import Results, load_results
from plastic.analysis.scores import Scores, score_table, setting_label
from plastic.analysis.statistics import holm, mean_interval, paired_difference
from plastic.analysis.structure import structure_over_time
from plastic.analysis.studies import STUDY_COLUMNS, summarize, write_study
from plastic.analysis.tasks import accuracy_by_task, change_over_tasks

__all__ = [
    "STATISTICS",
    "STUDY_COLUMNS",
    "Equivalence",
    "Estimate",
    "Film",
    "Ranking",
    "Results",
    "Scores",
    "accuracy_by_task",
    "area_under_curve",
    "bayes_signed_rank",
    "bayes_t",
    "change_over_tasks",
    "compare",
    "curves",
    "estimate",
    "film_of",
    "first_reached",
    "format_comparison",
    "friedman",
    "holm",
    "judge",
    "load_results",
    "mean_interval",
    "milestones",
    "nemenyi",
    "paired_difference",
    "parameter_importance",
    "pareto",
    "pareto_front",
    "performance_profile",
    "plot_arms",
    "plot_convergence",
    "plot_critical_difference",
    "plot_edits",
    "plot_final",
    "plot_importance",
    "plot_metric",
    "plot_pareto",
    "plot_performance_profile",
    "plot_size",
    "plot_tasks",
    "plot_topology",
    "probability_of_improvement",
    "rank_policies",
    "score_table",
    "setting_label",
    "structure_over_time",
    "summarize",
    "summary",
    "to_markdown",
    "verdict",
    "wilcoxon",
    "write_study",
]
