"""Doing without TensorBoard."""

OWN_EVENTS = "events.out.tfevents.*.main"  # The files that are written whole, each in place of the last.


class NoDashboard:
    """What a `Dashboard` does, left undone."""

    hint = ""

    def callbacks(self, folder, health):
        return []

    def run(self, folder, run, pictures, data):
        pass

    def comparison(self, results, summary):
        """Removes what TensorBoard was told before: it is no longer true."""
        for stale in (*results.path.glob(OWN_EVENTS), *results.path.glob(f"*/{OWN_EVENTS}")):
            stale.unlink()
