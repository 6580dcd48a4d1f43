"""What becomes of a network's structure while it learns: metrics, one file each."""

from plastic.metrics.age import Age
from plastic.metrics.base import Metric, Need, Reading, remembered
from plastic.metrics.dead_ends import DeadEnds
from plastic.metrics.degrees import Degrees
from plastic.metrics.depth import Depth
from plastic.metrics.effective_rank import EffectiveRank
from plastic.metrics.magnitudes import Magnitudes
from plastic.metrics.modularity import Modularity
from plastic.metrics.overlap import Overlap
from plastic.metrics.path_lengths import PathLengths
from plastic.metrics.readings import PROBE, Readings, as_rows
from plastic.metrics.silent import Silent
from plastic.metrics.small_world import SmallWorld
from plastic.metrics.survival import Survival
from plastic.metrics.turnover import Turnover

__all__ = [
    "PROBE",
    "STRUCTURE",
    "Age",
    "DeadEnds",
    "Degrees",
    "Depth",
    "EffectiveRank",
    "Magnitudes",
    "Metric",
    "Modularity",
    "Need",
    "Overlap",
    "PathLengths",
    "Reading",
    "Readings",
    "Silent",
    "SmallWorld",
    "Survival",
    "Turnover",
    "as_rows",
    "remembered",
]

STRUCTURE: dict[str, type[Metric]] = {
    "degrees": Degrees,
    "turnover": Turnover,
    "age": Age,
    "survival": Survival,
    "dead_ends": DeadEnds,
    "depth": Depth,
    "path_lengths": PathLengths,
}
"""What structure alone tells, at little cost; as in conf/metrics/structure.yaml."""
