"""Without any extra the core works, and what needs one says in a line how to get it."""

from __future__ import annotations

import ast
import re
import tomllib

import bare
import pytest
from bare import ROOT

from plastic.doctor import WHAT_FOR

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

NOT_FOR_USERS = {"dev", "extras"}
"""Extras for working on plastic itself."""

IMPORTED_AS = {
    "scikit-posthocs": "scikit_posthocs",
    "neat-python": "neat",
    "mlflow-skinny": "mlflow",
}
"""What a distribution is imported as, where that is not its name."""

FEATURES = {
    "report": [
        "plastic.analysis.plot_final(results)",
        "plastic.analysis.report.write_report(results)",
        "plastic.analysis.nemenyi(np.eye(3, 4))",
        "plastic.analysis.bayes_signed_rank([0.1, 0.2, 0.3], [0.0, 0.0, 0.1], 0.01)",
    ],
    "search": ["program('search', 'rewiring', 'dataset=xor')"],
    "query": ["program('query', 'results/first', 'select 1')"],
    "ray": ["program('run', '-m', 'dataset=xor', 'hydra/launcher=ray')"],
    "slurm": ["program('run', '-m', 'dataset=xor', 'hydra/launcher=submitit_slurm')"],
    "torch": ["plastic.interop.to_torch(network)", "plastic.interop.from_torch(None)"],
    "onnx": [
        "plastic.interop.to_onnx(network)",
        "plastic.interop.save_onnx(network, 'net.onnx')",
    ],
    "neat": ["plastic.interop.from_neat(None, None)"],
    "tensorboard": [
        "plastic.callbacks.TensorBoard()",
        "program('run', 'dataset=xor', 'callbacks=tensorboard')",
    ],
    "mlflow": [
        "plastic.callbacks.MLflow()",
        "program('run', 'dataset=xor', 'callbacks=mlflow')",
    ],
    "wandb": ["plastic.callbacks.WandB()", "program('run', 'dataset=xor', 'callbacks=wandb')"],
    "docs": ["make_docs()"],
}
"""What needs an extra, as a user would call it; it runs where none is installed.

Besides these, every call of ``require_extra`` in the packages is tried by itself.
"""

NO_FEATURE = {"bench"}
"""The bench measures beside the programs that are there, and leaves out the others."""


def name_of(requirement):
    """The distribution of a requirement, as in ``mkdocstrings[python]>=0.27``."""
    return re.match(r"[\w.-]+", requirement)[0]


def roster():
    """Extra -> names of the libraries that it brings."""
    return {
        extra: {IMPORTED_AS.get(name_of(one), name_of(one)) for one in requirements}
        for extra, requirements in PROJECT["optional-dependencies"].items()
        if extra not in NOT_FOR_USERS
    }


def asked_for():
    """Library and extra of every call of ``require_extra`` in the packages."""
    for folder in ("plastic", "experiments"):
        for file in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "require_extra":
                    yield tuple(ast.literal_eval(argument) for argument in node.args)


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What each feature and module says where no extra is installed, and the core works."""
    environment = bare.make(tmp_path_factory.mktemp("site"))
    features = [feature for held in FEATURES.values() for feature in held]
    features += [f"require_extra{pair}" for pair in sorted(set(asked_for()))]
    return bare.ask(environment, features, tmp_path_factory.mktemp("bare"))


def test_what_is_bare_has_no_extra():
    held = bare.core()
    assert {name_of(one) for one in PROJECT["dependencies"]} <= set(held)
    always = {"threadpoolctl"}  # scikit-learn brings it
    everything = {
        name_of(one) for held in PROJECT["optional-dependencies"].values() for one in held
    }
    assert not (everything - {"plastic", *always}) & set(held)


def test_every_feature_names_its_extra_in_one_line(said):
    for extra, features in FEATURES.items():
        for feature in features:
            message = said[feature]
            assert message is not None, f"{feature} does without {extra}"
            assert re.match(r"this needs \S+, which is not installed: ", message), message
            assert message.endswith(f'pip install "plastic[{extra}]"')
            assert "\n" not in message


def test_every_extra_has_a_feature_here():
    assert set(FEATURES) == set(roster()) - NO_FEATURE
    assert {extra for _, extra in asked_for()} <= set(FEATURES)


def test_a_module_that_cannot_be_imported_says_so_too(said):
    modules = {
        name: said[name] for name in said if name.startswith("plastic.") and "(" not in name
    }
    assert "plastic.interop.torch" in modules
    for message in modules.values():
        assert 'which is not installed: pip install "plastic[' in message
    assert not any(name.startswith("experiments.") for name in said)


def test_a_comparison_does_without_pictures_and_says_so(said):
    assert "Study first: 2 runs (2 complete)" in said["compare"]
    without = "No report.html: this needs matplotlib, which is not installed: "
    assert f'{without}pip install "plastic[report]"' in said["compare"]


def test_the_doctor_is_content_and_lists_every_extra(said):
    for extra, names in roster().items():
        for name in names - {"threadpoolctl"}:
            distribution = {held: key for key, held in IMPORTED_AS.items()}.get(name, name)
            line = rf"\[{extra}\] {re.escape(distribution)} +not installed.*: pip install"
            assert re.search(line, said["doctor"]), (extra, name)
    assert said["doctor"].endswith("all is well\n")


def test_what_an_extra_is_for_is_told_by_the_doctor_and_where_one_starts(said):
    assert set(WHAT_FOR) == set(roster())
    page = (ROOT / "docs" / "get_started.md").read_text(encoding="utf-8")
    for extra, purpose in WHAT_FOR.items():
        assert f"| `{extra}` | {purpose} |" in page
        if extra in FEATURES:
            assert (
                f'not installed, for {purpose}: pip install "plastic[{extra}]"'
                in said["doctor"]
            )


def test_every_call_names_an_extra_that_brings_the_library():
    held = roster()
    for library, extra in asked_for():
        assert extra in held, f"there is no extra {extra!r}"
        roots = {one.split(".")[0] for one in held[extra]}
        assert library.split(".")[0] in roots, f"plastic[{extra}] does not bring {library}"


def test_every_call_says_how_to_get_the_library(said):
    for library, extra in asked_for():
        name = library.partition(".")[0]
        message = f'this needs {name}, which is not installed: pip install "plastic[{extra}]"'
        assert said[f"require_extra{(library, extra)}"] == message


def test_the_extra_for_working_on_neighbours_brings_them_all():
    everything = " ".join(PROJECT["optional-dependencies"]["extras"])
    everything += " ".join(PROJECT["optional-dependencies"]["dev"])
    for extra in set(roster()) - {
        "torch",
        "bench",
    }:  # installed by themselves: see the Makefile
        assert extra in everything
