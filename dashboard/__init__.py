"""What TensorBoard shows of the runs and of their comparison. The only place that needs TensorBoard."""

from .comparison import write_comparison
from .epochs import EpochScalars
from .projector import write_projector
from .run import write_run

__all__ = ["EpochScalars", "write_comparison", "write_projector", "write_run"]
