"""Pictures of scores show the numbers that the statistics give, in axes of one's own."""

from __future__ import annotations

import numpy as np
import pytest
from recordings import write_run

from plastic import analysis
from plastic.analysis import curves, load_results, score_table
from plastic.errors import InvalidParameter
from plastic.records import Recorder

pytest.importorskip("matplotlib", reason="needs Matplotlib: pip install 'plastic[report]'")

OF_SETTING = (analysis.plot_convergence, analysis.plot_size, analysis.plot_final)
OVERALL = (
    analysis.plot_critical_difference, analysis.plot_importance,
    analysis.plot_performance_profile,
)  # fmt: skip
EVERY = (*OF_SETTING, analysis.plot_pareto, *OVERALL)


def write(folder, policies=("set", "rigl", "a $x$ <b>"), seeds=(0, 1, 2), **row):
    rng = np.random.default_rng(0)
    for policy in policies:
        for seed in seeds:
            path = folder / f"{len(list(folder.iterdir())) if folder.is_dir() else 0}"
            score = float(rng.uniform(0.6, 0.9))
            found = {"final_test_score": score, "n_connections": 40, "train_flops": 100}
            run = {"policy": policy, "seed": seed, "density": 0.1, "run_id": path.name} | row
            write_run(path, run, found, evaluations=3)
    return load_results(folder)


def test_the_mean_curve_is_that_of_the_statistics(tmp_path):
    results = write(tmp_path)
    for x in ("step", "train_flops"):
        ax = analysis.plot_convergence(results, x=x)
        frame = curves(results, x=x)
        for line, name in zip(ax.lines, sorted({"set", "rigl", "a $x$ <b>"}), strict=True):
            own = frame[frame.policy == name]
            np.testing.assert_allclose(line.get_ydata(), own["mean"])
            np.testing.assert_allclose(line.get_xdata(), own[x])


def test_every_seed_is_a_point_and_the_best_is_on_top(tmp_path):
    results = write(tmp_path)
    ax = analysis.plot_final(results)
    scores = score_table(results)
    points = [line for line in ax.lines if len(line.get_xdata()) == 3]
    drawn = sorted(value for line in points for value in line.get_xdata())
    np.testing.assert_allclose(drawn, np.sort(scores.table, axis=None))
    best = scores.policies[int(np.nanargmax(scores.table.mean(axis=(1, 2))))]
    top = ax.get_yticklabels()[-1].get_text()
    assert top.replace("\\", "") == best


def test_policies_differ_in_colour_dashes_and_marker():
    from plastic.analysis.style import styles

    looks = styles([str(i) for i in range(50)])
    assert len({tuple(look.values()) for look in looks.values()}) == 50
    first = list(looks.values())[:4]
    for part in ("color", "linestyle", "marker"):
        assert len({look[part] for look in first}) == 4


@pytest.mark.parametrize("plot", EVERY)
def test_axes_are_given_back_and_names_are_no_formulas(plot, tmp_path):
    results = write(tmp_path)
    ax = plot(results)
    assert plot(results, ax=ax) is ax
    ax.figure.savefig(tmp_path / "picture.svg")  # a name read as a formula would raise here


@pytest.mark.parametrize("plot", EVERY)
def test_where_all_failed_the_picture_says_so(plot, tmp_path):
    row = {"run_id": "a", "policy": "set", "density": 0.1, "dataset": "digits", "seed": 0}
    with pytest.raises(ValueError, match="no"), Recorder(tmp_path / "a", row, config=""):
        raise ValueError("no")
    ax = plot(load_results(tmp_path))
    assert len(ax.texts) == 1


@pytest.mark.parametrize("plot", [*OF_SETTING, analysis.plot_pareto])
def test_of_several_settings_one_is_to_be_chosen(plot, tmp_path):
    write(tmp_path, dataset="digits")
    results = write(tmp_path, dataset="wine")
    with pytest.raises(InvalidParameter, match=r"choose one by setting=: 0: digits"):
        plot(results)
    with pytest.raises(InvalidParameter, match="setting must be below 2, got 2"):
        plot(results, setting=2)
    plot(results, setting=1)
