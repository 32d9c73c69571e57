"""A trained run on new images: of which class is each, if of any, and what is most like it?"""

from .recognize import recognize

__all__ = ["recognize"]
