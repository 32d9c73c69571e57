"""The batches that every loss is trained on: who samples them, how their images are changed, how they are fed."""

from .augmentation import AUGMENTATIONS
from .batches import Batches, feed
from .samplers import IMAGES, SAMPLERS, stratified_sample

__all__ = ["AUGMENTATIONS", "IMAGES", "SAMPLERS", "Batches", "feed", "stratified_sample"]
