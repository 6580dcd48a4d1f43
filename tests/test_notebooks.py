"""Notebooks are clean in the repository, and run from their first cell to their last."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
EXECUTED = ROOT / "build" / "notebooks"
"""Where executed notebooks are kept, to be looked at."""

CLAIMS = {
    "analyse_a_sweep.ipynb": [
        "complete    25",
        "thompson is better than static by",
        "flops_to_target",
        "mean at equal FLOPs",
        "stayed",
        "optimizer.learning_rate",
    ],
}
"""What the outputs of each must hold."""

PICTURES = {"analyse_a_sweep.ipynb": 9}

QUESTIONS = [
    "1. Which policy wins?", "2. By how much?", "3. At which cost?", "4. Where does it rewire?",
    "5. Which hyperparameter matters?",
]  # fmt: skip

EXECUTE = """
import sys
import nbformat
from nbclient import NotebookClient

read, written = sys.argv[1:]
notebook = nbformat.read(read, 4)
# kernel and cells have as long as a busy machine needs
client = NotebookClient(notebook, timeout=None, startup_timeout=3600, kernel_name="python3")
try:
    client.execute()
finally:
    nbformat.write(notebook, written)
"""

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)


def cells_of(path, kind):
    nbformat = pytest.importorskip("nbformat", reason="not installed: pip install nbclient")
    notebook = nbformat.read(path, 4)
    nbformat.validate(notebook)
    return [cell for cell in notebook.cells if cell.cell_type == kind]


@every_notebook
def test_nothing_of_an_execution_is_kept(path):
    for cell in cells_of(path, "code"):
        assert cell.outputs == []
        assert cell.execution_count is None
        assert cell.metadata == {}
    text = path.read_text(encoding="utf-8")
    assert '"version"' not in text  # of the Python that it was last run with
    for place in ("/home/", "/root/", "/tmp/", "C:\\\\", str(ROOT)):
        assert place not in text


@every_notebook
def test_links_lead_somewhere_and_questions_are_headings(path):
    texts = [cell.source for cell in cells_of(path, "markdown")]
    for target in re.findall(r"\]\(([^)#]+)\)", "\n".join(texts)):
        assert (path.parent / target).exists(), target
    headings = re.findall(r"^## (\d\. .*)$", "\n".join(texts), re.MULTILINE)
    assert headings == QUESTIONS


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda path: path.name)
def executed(request, tmp_path_factory):
    """A notebook after it was run in an empty folder."""
    for library in ("nbclient", "ipykernel", "matplotlib"):
        pytest.importorskip(library, reason=f"{library} is not installed: make extras")
    folder = tmp_path_factory.mktemp("notebook")
    EXECUTED.mkdir(parents=True, exist_ok=True)
    written = EXECUTED / request.param.name
    ended = subprocess.run(
        [sys.executable, "-c", EXECUTE, str(request.param), str(written)],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return written, folder


def outputs_of(path):
    return [output for cell in cells_of(path, "code") for output in cell.outputs]


def test_outputs_are_what_is_promised(executed):
    path, folder = executed
    outputs = outputs_of(path)
    streams = [output for output in outputs if output.output_type == "stream"]
    assert [output.text for output in streams if output.name == "stderr"] == []
    shown = [output.data for output in outputs if output.output_type != "stream"]
    text = "\n".join([*(output.text for output in streams),
                      *(data.get("text/plain", "") for data in shown)])  # fmt: skip
    for claim in CLAIMS[path.name]:
        assert claim in text
    assert str(folder) not in text
    assert sum("image/png" in data for data in shown) == PICTURES[path.name]


def test_every_notebook_has_claims():
    assert set(CLAIMS) == set(PICTURES) == {path.name for path in NOTEBOOKS}
