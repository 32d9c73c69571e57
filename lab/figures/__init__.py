"""Drawings on the caller's axes, and pages of them; none writes a file. One module a kind of picture."""
