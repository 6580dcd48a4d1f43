"""How the jobs of a sweep are started: Hydra's launchers, set up so that they fit the machine.

``joblib`` is the default; ``basic`` is Hydra's own, one job after the other in this process.
``ray`` and ``submitit_slurm`` come with extras.  Each is the plugin's own configuration with
the values below, and may be changed from the command line: ``hydra.launcher.n_jobs=4``.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from omegaconf import OmegaConf

EXTRAS = {
    "ray": ("hydra-ray-launcher", "ray"),
    "submitit_slurm": ("hydra-submitit-launcher", "slurm"),
}
"""The library that a launcher needs, and the extra that it comes with."""

THREADS = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)  # fmt: skip
"""Environment variables by which libraries of linear algebra are told how many to start."""

JOBLIB: dict[str, Any] = {
    "n_jobs": "${cores_for:${threads}}",
    "batch_size": "1",  # one that dies shall take no other with it
}

RAY: dict[str, Any] = {
    "init": {
        "address": "local",  # "auto" joins the cluster that runs here
        "include_dashboard": False,
        "logging_level": "error",
        "runtime_env": {
            "env_vars": {
                "PLASTIC_SWEEP_START": '${oc.env:PLASTIC_SWEEP_START,""}',
                **{name: f'${{oc.env:{name},"1"}}' for name in THREADS},
            }
        },
    },
    # a job whose process died is asked for again, and declines
    "remote": {"num_cpus": "${threads}", "max_retries": 3},
}

SLURM: dict[str, Any] = {"cpus_per_task": "${threads}", "mem_gb": 4, "name": "plastic"}


def set_up_launchers() -> None:
    """Put our values into the configurations of the launchers that are installed."""
    Plugins.instance()  # its search runs the plugins' files again, and would undo what follows
    config = import_module("hydra_plugins.hydra_joblib_launcher.config")
    _store("joblib", config.JobLibLauncherConf, JOBLIB)
    if find_spec("hydra_plugins.hydra_ray_launcher") is not None:
        config = import_module("hydra_plugins.hydra_ray_launcher._config")
        _store("ray", config.RayLauncherConf, {"ray": RAY})
    if find_spec("hydra_plugins.hydra_submitit_launcher") is not None:
        config = import_module("hydra_plugins.hydra_submitit_launcher.config")
        _store("submitit_slurm", config.SlurmQueueConf, SLURM)


def _store(name: str, schema: type, values: dict[str, Any]) -> None:
    # later than the plugin's own, which its import has stored
    node = OmegaConf.merge(OmegaConf.structured(schema), values)
    ConfigStore.instance().store(
        group="hydra/launcher", name=name, node=node, provider="plastic"
    )
