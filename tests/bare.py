"""Python as it is where plastic was installed without an extra, and what happens there.

``python -S`` sees no installed package; a folder of links gives it plastic, what its metadata
always asks for, and what these ask for in turn.  Imported, this file makes that folder and
runs itself there; run, it tries features and tells what each of them says.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module, metadata
from io import StringIO
from pathlib import Path
from pkgutil import walk_packages

ROOT = Path(__file__).parent.parent


def core():
    """Distributions that plastic cannot do without, by name."""
    from packaging.requirements import Requirement

    held, wanted = {}, ["plastic"]
    while wanted:
        name = wanted.pop()
        if name in held:
            continue
        held[name] = metadata.distribution(name)
        for line in held[name].requires or ():
            asked = Requirement(line)
            if asked.marker is None or asked.marker.evaluate({"extra": ""}):
                wanted.append(re.sub(r"[-_.]+", "-", asked.name).lower())
    return held


def make(folder):
    """Fill a folder with links to the core, and return the environment that uses it."""
    for distribution in core().values():
        for file in distribution.files or ():
            parts = file.parts[: 2 if file.parts[0] == "hydra_plugins" else 1]
            link, led = folder.joinpath(*parts), Path(distribution.locate_file(Path(*parts)))
            if parts[0] != ".." and not link.exists() and led.exists():
                link.parent.mkdir(exist_ok=True)
                link.symlink_to(led)
    for package in ("plastic", "experiments"):  # from where these tests have them
        there = Path(import_module(package).__file__).parent
        (folder / package).unlink(missing_ok=True)
        (folder / package).symlink_to(there)
        if (there.parent / "conf").is_dir():
            (folder / "conf").unlink(missing_ok=True)
            (folder / "conf").symlink_to(there.parent / "conf")
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONHOME"}
    return kept | {"PYTHONPATH": str(folder)}


def ask(environment, features, cwd):
    """What each feature says where no extra is installed; None if it does without."""
    ended = subprocess.run(
        [sys.executable, "-S", "-P", __file__],
        input=json.dumps(features),
        env=environment,
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])


# --------------------------------------------------------------------- what runs over there


def program(name, *arguments):
    """Run a program of experiments/; what it prints, or the error that it ends with."""
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        sys.argv = [name, *arguments]
        try:
            code = import_module(f"experiments.{name}").main()
        except SystemExit as ended:
            code = ended.code
    if code:
        # Python prints a code that is a text
        told = [err.getvalue().strip(), str(code).strip()]
        raise SystemExit(next(filter(None, told)).removeprefix("error: "))
    return out.getvalue()


def make_docs():
    """Do what ``make docs`` does first."""
    lines = (ROOT / "Makefile").read_text(encoding="utf-8").splitlines()
    recipe = lines[next(n for n, line in enumerate(lines) if line.startswith("docs:")) + 1]
    exec(re.search(r"-c '(.*)'$", recipe)[1])


def said_by(do):
    """The message of what is missing, None if nothing is."""
    from plastic.errors import MissingExtra

    try:
        do()
    except (MissingExtra, SystemExit) as missing:
        return str(missing)
    return None


def import_everything():
    """Name of each module that cannot be imported, and what it says."""
    import experiments
    import plastic

    for package in (plastic, experiments):
        for module in walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                message = said_by(lambda name=module.name: import_module(name))
                if message is not None:
                    yield module.name, message


def use_the_core():
    """Run and compare a study, fit an estimator, keep a network in files."""
    import numpy as np

    import plastic
    from plastic.interop import load_graph, load_network, save_graph, save_network
    from plastic.topology.wiring import erk

    small = ["dataset=xor", "wiring=dense", "wiring.hidden=[4]", "density=1", "steps=20"]
    one_by_one = ["hydra/launcher=basic", "workers=1"]
    program("run", "-m", "policy=static,set", *small, *one_by_one)
    results = plastic.load_results("results/first")
    assert sorted(results.complete["policy"]) == ["set", "static"]
    rng = np.random.default_rng(0)
    network = plastic.Network(erk(3, 2, 0.8, rng, hidden=[4])).initialize(rng)
    network.learn(np.zeros((2, 3)), np.eye(2), [[0, 1]], plastic.engine.SGD(0.1))
    load_graph(save_graph(network, "net.graphml"))
    load_network(save_network(network, "net.safetensors"))
    X = rng.normal(size=(60, 3))
    model = plastic.PlasticClassifier(epochs=2, hidden=(4,), density=0.5, random_state=0)
    model.fit(X, X[:, 0] > 0)
    return {"np": np, "network": network, "plastic": plastic, "results": results}


def main():
    """Try what standard input asks for, and write what each said as the last line."""
    space = use_the_core() | {"program": program, "make_docs": make_docs}
    exec("import plastic.analysis.report, plastic.callbacks, plastic.interop", space)
    exec("from plastic.errors import require_extra", space)
    features = json.loads(sys.stdin.read())
    said = {feature: said_by(lambda f=feature: eval(f, space)) for feature in features}
    said |= dict(import_everything())
    said["compare"] = program("compare", "results/first")
    doctor = StringIO()
    with redirect_stdout(doctor):
        from plastic.__main__ import main as doctor_or_help

        assert doctor_or_help(["doctor", "--seconds", "0"]) == 0
    said["doctor"] = doctor.getvalue()
    sys.stdout.write(f"\n{json.dumps(said)}\n")


if __name__ == "__main__":
    main()
