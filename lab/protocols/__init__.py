"""The protocols by name: on which classes embeddings are judged, and by what."""

from .closed import CLOSED
from .open import OPEN
from .protocol import DISTANCE_BINS, ROC_FARS
from .unseen import UNSEEN

__all__ = ["DISTANCE_BINS", "PROTOCOLS", "ROC_FARS"]

PROTOCOLS = {protocol.name: protocol for protocol in (CLOSED, OPEN, UNSEEN)}
