"""Pictures of metrics show the numbers of the table, and the page where there are some."""

from __future__ import annotations

import numpy as np
import pytest
from recordings import METRIC, write_run

from plastic.analysis import load_results, plot_metric
from plastic.errors import InvalidParameter
from plastic.records import Recorder

pytest.importorskip("matplotlib", reason="needs Matplotlib: pip install 'plastic[report]'")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Two policies of two seeds, of which one has no number for its first reading."""
    folder = tmp_path_factory.mktemp("read")
    for policy in ("set", "rigl"):
        for seed in (0, 1):
            row = {"study": "demo", "dataset": "digits", "policy": policy, "seed": seed}
            row |= {"metrics": ["depth", "dead_ends"]}
            with Recorder(folder / f"{policy}-{seed}", row) as recorder:
                for step in (0, 10, 20):
                    value = [np.nan if step == 0 else step + seed + len(policy), 0.5]
                    recorder.add("metrics", METRIC | {"step": step, "value": value})
                    dead = {"metric": "dead_ends", "label": ["no_way_in", "any"]}
                    recorder.add("metrics", {"step": step, "value": [0.1, 0.2]} | dead)
                recorder.finish(final_test_score=0.5 + seed / 10, metric="accuracy")
    return load_results(folder)


def test_the_curve_is_the_mean_over_seeds(results):
    ax = plot_metric(results, "depth")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("optimizer steps", "depth: longest")
    for line, policy in zip(ax.lines, ("rigl", "set"), strict=True):
        assert line.get_label() == policy
        assert line.get_xdata().tolist() == [10, 20]
        np.testing.assert_allclose(line.get_ydata(), [10.5 + len(policy), 20.5 + len(policy)])


def test_a_label_is_chosen_or_the_one_that_says_most(results):
    assert plot_metric(results, "depth", "skips").get_ylabel() == "depth: skips"
    ax = plot_metric(results, "dead_ends")
    assert ax.get_ylabel() == "dead ends: any"
    assert ax.lines[0].get_ydata().tolist() == [0.2] * 3


def test_a_table_made_later_is_drawn_in_axes_of_ones_own(results):
    ax = plot_metric(results, "depth")
    table = results.metrics.assign(value=7.0)
    assert plot_metric(results, "depth", table=table, ax=ax) is ax
    assert ax.lines[-1].get_ydata().tolist() == [7.0] * 3
    empty = plot_metric(results, "depth", table=table.assign(value=np.nan))
    assert empty.texts[0].get_text() == "no complete run has a number for depth"


@pytest.mark.parametrize(
    ("chosen", "rule"),
    [
        (("width",), "no run has a metric 'width'; there are dead_ends, depth"),
        (("depth", "mean"), "metric 'depth' has no label 'mean'; there are longest, skips"),
    ],
)
def test_what_nobody_read_is_refused(results, chosen, rule):
    with pytest.raises(InvalidParameter, match=rule):
        plot_metric(results, *chosen)


def test_runs_without_metrics_say_how_to_have_some(tmp_path):
    write_run(tmp_path / "a")
    with pytest.raises(InvalidParameter, match="the runs were asked for none"):
        plot_metric(load_results(tmp_path), "depth")


def test_the_page_shows_them_where_there_are_some(results, tmp_path):
    from plastic.analysis.report import report

    page = report(results)
    assert '<h2 id="structure">Structure over time</h2>' in page
    assert "<h3>Depth: digits" in page
    assert "<h3>Dead ends: digits" in page
    write_run(tmp_path / "a")
    assert "Structure over time" not in report(load_results(tmp_path))
