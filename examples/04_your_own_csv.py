"""Train sparse networks on a table of your own, compare policies, see which columns they use.

The table is what one finds on a disk: numbers beside texts, cells that nobody filled in, a
column of names.  It is made here of scikit-learn's diabetes data (442 patients, and how far
their disease went within a year) and written as my.csv.  The rest is two commands that fit
any table, and a look at the results in pandas.
"""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import networkx as nx
import numpy as np
import pandas as pd
from sklearn.datasets import load_diabetes

from plastic import load_results
from plastic.datasets import table
from plastic.interop import load_network

RUN = """
-m experiments.run -m study=mine
dataset=table dataset.path=my.csv dataset.target=progression
dataset.drop=[patient] dataset.missing=fill
policy=static,rigl density=0.03 wiring.hidden=[32,32] steps=600 seed=range(6)
"""
COMPARE = "-m experiments.compare results/mine --baseline static"


def write_csv(path: Path) -> None:
    """A table with a column of names, texts, and gaps."""
    measured = load_diabetes(scaled=False, as_frame=True).frame
    frame = pd.DataFrame({"patient": [f"P{number:03}" for number in range(len(measured))]})
    frame["age"] = measured["age"]
    frame["sex"] = np.where(measured["sex"] == 1, "code 1", "code 2")  # the source says no more
    bounds, classes = [0, 18.5, 25, 30, 99], ["underweight", "normal", "overweight", "obese"]
    frame["weight"] = pd.cut(measured["bmi"], bounds, right=False, labels=classes)
    frame["pressure"] = measured["bp"]
    blood = {
        "cholesterol": "s1",
        "ldl": "s2",
        "hdl": "s3",
        "triglycerides": "s5",
        "glucose": "s6",
    }
    for name, column in blood.items():
        frame[name] = measured[column]
    frame.loc[np.random.default_rng(0).random(len(frame)) < 0.1, "glucose"] = np.nan
    frame["progression"] = measured["target"]
    frame.to_csv(path, index=False)


def do(command: str) -> None:
    """Run a command as one would in a terminal."""
    words = command.split()
    print("$", "python", *words, flush=True)
    subprocess.run([sys.executable, *words], cwd=folder, check=True)
    print(flush=True)


def columns_used(run: Path, names: tuple[str, ...]) -> list[str]:
    """Columns from which a way leads to the output of a run's network as it ended."""
    graph = load_network(run / "network.safetensors").topology.graph
    output = len(names)  # inputs have the ids 0, 1, ..., the output comes next
    told = nx.ancestors(graph, output)
    return [name for number, name in enumerate(names) if number in told]


with TemporaryDirectory() as folder:
    path = Path(folder) / "my.csv"
    write_csv(path)
    print("my.csv begins with")
    print(*path.read_text(encoding="utf-8").splitlines()[:4], "", sep="\n")
    do(RUN)
    do(COMPARE)
    dataset = table(
        np.random.default_rng(0),
        path=str(path),
        target="progression",
        drop=["patient"],
        missing="fill",
    )
    names = dataset.columns
    results = load_results(Path(folder) / "results" / "mine")
    runs = results.runs.set_index("run_id")
    used = {"static": [], "rigl": []}
    for run in results.run_folders:
        used[runs.loc[run.name, "policy"]].append(columns_used(run, names))

n_connections = int(runs["n_connections"].max())
print(f"Columns that reach the output of each network, of {n_connections} connections")
print(f"{'':20}{'static':>8}{'rigl':>8}")
for name in names:
    counts = {policy: sum(name in one for one in held) for policy, held in used.items()}
    print(f"{name:20}{counts['static']:>6}/6{counts['rigl']:>6}/6")

scores = runs.groupby("policy", observed=True)["final_test_score"].mean()
if scores["rigl"] > scores["static"] + 0.1:
    print("\nMost connections of a wiring this sparse lead nowhere, until they are moved.")
