"""The formulas of docstrings, as the site sets them."""

# ruff: noqa: RUF001 - the characters are meant
from __future__ import annotations

import ast
import re
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

pytest.importorskip("griffe", reason="mkdocstrings is not installed: make extras")

ROOT = Path(__file__).parent.parent
SPEC = spec_from_file_location("formulas", ROOT / "docs" / "formulas.py")
formulas = module_from_spec(SPEC)
SPEC.loader.exec_module(formulas)


def docstrings():
    for package in ("plastic", "experiments"):
        for file in sorted((ROOT / package).rglob("*.py")):
            tree = ast.parse(file.read_text(encoding="utf-8"))
            for node in ast.walk(tree):
                if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                    yield file.name, ast.get_docstring(node) or ""


def words(mathml):
    """What a reader sees, without spaces."""
    return "".join(ET.fromstring(mathml).itertext())


def test_every_formula_of_every_docstring_is_translated():
    found = 0
    for file, text in docstrings():
        try:
            translated = formulas.translate(text)
        except ValueError as error:
            pytest.fail(f"{file}: {error}; add it to docs/formulas.py")
        assert "math::" not in translated
        assert ":math:" not in translated
        for piece in re.findall(r"<math.*?</math>", translated):
            ET.fromstring(piece)  # well formed
            assert "\\" not in piece
            assert not re.search(r"[*_`]", piece)  # Markdown must find nothing to do
            found += 1
    assert found > 100


@pytest.mark.parametrize(
    ("latex", "seen"),
    [
        (r"\tfrac12 (1 + \cos(\pi t / T_{end}))", "12(1+cos(πt/Tend))"),
        (r"\frac pq + \frac\gamma K", "pq+γK"),
        (r"\sum_{t=1}^{T} \left( \mu^*_t - \mu_{a_t} \right)", "∑t=1T(μt∗−μat)"),
        (r"\delta_v = f'(x_v) \sum_t w_{vt} \delta_t", "δv=f′(xv)∑twvtδt"),
        (r"\operatorname{sign}(x) [\text{unit } i]", "sign(x)[unit\N{NO-BREAK SPACE}i]"),
        (r"\max \left\{ q : d \le \ln t \right\}", "max{q:d≤lnt}"),
        (r"\exp\Bigl(-\prod_k \hat p_k\Bigr) \to \infty", "exp(−∏kp^k)→∞"),
        (r"\overline{y_b^2}, \Big|\sqrt{2 \eta T}\Big|", "yb2‾,|2ηT|"),
    ],
)
def test_what_is_seen(latex, seen):
    assert words(formulas.to_mathml(latex)) == seen


def test_what_is_not_known_is_named():
    for latex, said in (
        (r"\cot x", r"no translation of \\cot in"),
        (r"\frac{a}", "something is missing at the end in"),
        (r"\left( a", r"there is no \\right in"),
        ("{a", "there is no } in"),
        (r"\text x", "a text must be in braces in"),
    ):
        with pytest.raises(ValueError, match=said):
            formulas.to_mathml(latex)


def test_blocks_are_found_with_all_of_their_lines():
    text = "A.\n\n.. math::\n\n    a =\n    b\n\nthen :math:`c_i`.\n\n.. math:: d\n    + e\nf"
    lines = formulas.translate(text).splitlines()
    assert [line.startswith('<div class="formula">') for line in lines].count(True) == 2
    assert words(re.search("<math.*?</math>", lines[2])[0]) == "a=b"
    assert lines[-1] == "f"


def test_its_own_examples_hold():
    import doctest

    assert doctest.testmod(formulas).failed == 0
    assert sys.modules.get("formulas") is None
