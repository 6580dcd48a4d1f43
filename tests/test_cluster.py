"""Law: a sweep on a Ray cluster of two nodes ends in the tables that joblib's ends in."""

from __future__ import annotations

import pytest
from runs import SMALL

from plastic.analysis import load_results
from plastic.records import comparable

pytestmark = pytest.mark.cluster

SWEPT = ["policy=static,set", "seed=0,1,2,3"]
N_JOBS = 8


@pytest.fixture(scope="module")
def address():
    """Of a cluster of two nodes with a core each, both on this machine."""
    pytest.importorskip("ray", reason="Ray is not installed: make extras")
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": 100 * 2**20}
    head = {"include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=node | head)
    cluster.add_node(**node)
    cluster.wait_for_nodes()
    assert len(cluster.list_all_nodes()) == 2
    yield cluster.address
    cluster.shutdown()


def sweep(process, folder, launcher, *more):
    ended = process(
        "-m", "experiments.run", "-m", "study=pairs", *SMALL, *SWEPT,
        f"hydra/launcher={launcher}", *more, cwd=folder,
    )  # fmt: skip
    assert ended.code == 0, ended.err
    return load_results(folder / "results" / "pairs")


def test_two_nodes_give_the_tables_of_one_machine(address, process, tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    expected = sweep(process, here, "joblib")
    joined = [
        f"hydra.launcher.ray.init.address={address}",
        "+hydra.launcher.ray.init.object_store_memory=null",
    ]
    found = sweep(process, there, "ray", *joined)
    assert len(expected.complete) == len(found.complete) == N_JOBS
    for table in ("runs", "convergence", "edits", "arms"):
        one, other = (comparable(getattr(each, table)) for each in (expected, found))
        assert len(one) > 0 or table == "arms"
        assert one.equals(other), table
