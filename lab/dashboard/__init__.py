"""What TensorBoard shows of the runs and of their comparison. The only place that needs TensorBoard."""

from lab.startup import hidden_start_up_noise

from .nothing import NoDashboard

__all__ = ["NoDashboard", "make_dashboard"]


def make_dashboard(wanted):
    """A `Dashboard`, or a `NoDashboard`, which does not import TensorBoard."""
    if not wanted:
        return NoDashboard()
    with hidden_start_up_noise("Loading TensorBoard ..."):
        from .tensorboard import Dashboard
    return Dashboard()
