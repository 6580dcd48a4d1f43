"""What the tests of the runner share: composing, running, and a small study to look at."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest
import release
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hypothesis import settings
from omegaconf import DictConfig
from pages import chromium
from runs import OFTEN, SMALL

from experiments import compare as compare_program
from experiments import masks as masks_program
from experiments import regret as regret_program
from experiments import run as run_program
from experiments.config import config_folder
from plastic import load_results
from plastic.analysis.report import write_report
from plastic.engine import fast
from plastic.errors import InUse
from plastic.locks import FolderLock

# neither time nor chance decides a test; `--hypothesis-profile=default` looks at other examples
settings.register_profile("steady", deadline=None, derandomize=True, database=None)
settings.load_profile("steady")

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


def _compose(*overrides: str, folder: Path | None = None) -> DictConfig:
    folder = folder or config_folder()
    with initialize_config_dir(str(folder), job_name="run", version_base="1.3"):
        return compose("config", list(overrides))


def _command(program: str, *arguments: str, cwd: Path) -> Ended:
    """Run a program of experiments/ in this process, which is faster than starting one."""
    out, err = StringIO(), StringIO()
    if "-m" in arguments:  # in this process, too
        arguments = (*arguments, "hydra/launcher=basic", "workers=1")
    programs = {
        "run": run_program,
        "compare": compare_program,
        "regret": regret_program,
        "masks": masks_program,
    }
    with (
        pytest.MonkeyPatch.context() as patch,
        chdir(cwd),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        patch.setattr(sys, "argv", [program, *arguments])
        patch.setenv("HYDRA_FULL_ERROR", "1")  # set by the program; restored by the patch
        try:
            code = programs[program].main() or 0
        except SystemExit as ended:
            code = ended.code
            if isinstance(code, str):  # as Python itself does
                err.write(f"{code}\n")
                code = 1
    return Ended(code or 0, out.getvalue(), err.getvalue())


def _process(*arguments: str, cwd: Path, **environment: str) -> Ended:
    """Run ``python ...`` in a process of its own."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


@pytest.fixture(params=["small", "large"])
def kernels_of(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Networks of this test run on the kernels of small networks, then on those of large ones.

    By themselves, nearly all networks of the tests would be small.
    """
    monkeypatch.setattr(fast, "SMALL", {"small": 2**62, "large": -1}[request.param])
    return request.param


@pytest.fixture(autouse=True)
def hydra_is_put_away() -> Iterator[None]:
    """No test may see what another one left in Hydra's singletons."""
    yield
    GlobalHydra.instance().clear()
    HydraConfig.instance().cfg = None


@pytest.fixture(scope="session")
def config_of() -> Callable[..., DictConfig]:
    """The configuration that a command line of overrides gives."""
    return _compose


@pytest.fixture(scope="session")
def command() -> Callable[..., Ended]:
    return _command


@pytest.fixture(scope="session")
def process() -> Callable[..., Ended]:
    return _process


@pytest.fixture
def do(config_of: Callable[..., DictConfig], tmp_path: Path) -> Callable[..., Path]:
    """Run a configuration of these overrides; its folder."""

    def do(*overrides: str, where: Path = tmp_path) -> Path:
        return run_program.run(config_of(*overrides, f"results_dir={where}"))

    return do


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder of the reference tables."""
    folder = ROOT / "results" / "reference"
    if not folder.is_dir():
        pytest.skip("a source distribution has no results; the repository has the tables")
    return folder


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small results/demo: two policies, two seeds, 60 steps, some metrics."""
    folder = tmp_path_factory.mktemp("demo")
    arguments = ["study=demo", "policy=static,thompson", "seed=0,1", "steps=60"]
    arguments += ["evaluate_every=20", "metrics=structure"]
    assert _command("run", "-m", *arguments, cwd=folder).code == 0
    return folder


@pytest.fixture(scope="session")
def browser():
    """A Chromium to open pages in; tests that ask for it are left out where there is none."""
    yield from chromium()


@pytest.fixture(scope="session")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small sweep with its page: two policies that rewire, two seeds each."""
    folder = tmp_path_factory.mktemp("reported")
    for policy in ("set", "thompson"):
        for seed in (0, 1):
            choice = [f"policy={policy}", f"seed={seed}", f"results_dir={folder}"]
            run_program.run(_compose(*SMALL, *OFTEN, *choice))
    write_report(load_results(folder))
    return folder


# -------------------------------------------------------------------------------- the wheel


@dataclass(frozen=True)
class Installed:
    """The wheel, and a folder that it is installed in alone."""

    wheel: Path
    site: Path

    def ask(self, cwd: Path, program: str, *arguments: str, safe: bool = True) -> Ended:
        """Run an installed program; nothing of the checkout is on its path before the wheel."""
        environment = {"PYTHONPATH": str(self.site)} | ({"PYTHONSAFEPATH": "1"} if safe else {})
        return _process(str(self.site / "bin" / program), *arguments, cwd=cwd, **environment)


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Built and installed once, by whichever of the tests' workers comes first."""
    root = tmp_path_factory.getbasetemp()
    folder = (root.parent if "PYTEST_XDIST_WORKER" in os.environ else root) / "installed"
    site = folder / "site"
    with _waiting_for(folder):
        if not site.is_dir():
            target = folder / "wheel"
            build = ["-m", "hatchling", "build", "-t", "wheel", "-d", str(target)]
            ended = _process(*build, cwd=ROOT)
            assert ended.code == 0, ended.err
            (wheel,) = target.iterdir()
            release.install(wheel, folder / "part")
            (folder / "part").rename(site)
    (wheel,) = (folder / "wheel").iterdir()
    return Installed(wheel, site)


@contextmanager
def _waiting_for(folder: Path) -> Iterator[None]:
    """Hold a folder, once whoever holds it lets go of it."""
    lock = FolderLock(folder)
    while True:
        try:
            lock.__enter__()
            break
        except InUse:
            time.sleep(0.1)
    try:
        yield
    finally:
        lock.__exit__(None, None, None)


@pytest.fixture(scope="session")
def wheel(installed: Installed) -> Path:
    return installed.wheel
