"""Launchers are set up so that their jobs fit the machine, and know the start they are of."""

from __future__ import annotations

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher

from experiments.config import check_overrides, config_folder, cores_for
from experiments.launchers import EXTRAS, THREADS

INSTALLED = {kind.__name__ for kind in Plugins.instance().discover(Launcher)}


def launcher_of(name, *overrides):
    with initialize_config_dir(str(config_folder()), job_name="run", version_base="1.3"):
        chosen = [f"hydra/launcher={name}", *overrides]
        return compose("config", chosen, return_hydra_config=True).hydra.launcher


def need(kind, name):
    if kind not in INSTALLED:
        pytest.skip(f"{EXTRAS[name][0]} is not installed: make extras")


@pytest.mark.parametrize("threads", [1, 2, 1000])
def test_joblib_starts_as_many_as_have_the_cores(threads):
    assert launcher_of("joblib", f"threads={threads}").n_jobs == cores_for(threads)
    assert launcher_of("joblib", "hydra.launcher.n_jobs=7").n_jobs == 7
    assert launcher_of("joblib").batch_size == "1"


def test_joblib_is_the_default():
    with initialize_config_dir(str(config_folder()), job_name="run", version_base="1.3"):
        hydra = compose("config", [], return_hydra_config=True).hydra
    assert hydra.runtime.choices["hydra/launcher"] == "joblib"


def test_ray_tells_its_workers_what_they_are_part_of(monkeypatch):
    need("RayLauncher", "ray")
    monkeypatch.setenv("PLASTIC_SWEEP_START", "1f")
    monkeypatch.setenv("MKL_NUM_THREADS", "3")
    for name in set(THREADS) - {"MKL_NUM_THREADS"}:
        monkeypatch.delenv(name, raising=False)
    ray = launcher_of("ray", "threads=4").ray
    assert ray.remote.num_cpus == 4
    told = dict.fromkeys(THREADS, "1") | {"MKL_NUM_THREADS": "3", "PLASTIC_SWEEP_START": "1f"}
    assert dict(ray.init.runtime_env.env_vars) == told


def test_slurm_gives_a_job_its_threads():
    need("SlurmLauncher", "submitit_slurm")
    slurm = launcher_of("submitit_slurm", "threads=4", "hydra.launcher.mem_gb=8")
    assert (slurm.cpus_per_task, slurm.mem_gb, slurm.name) == (4, 8, "plastic")


def test_launchers_may_be_changed_from_the_command_line():
    check_overrides(["-m", "hydra/launcher=ray", "hydra.launcher.n_jobs=4"])
