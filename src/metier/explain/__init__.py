"""Why the expert said that: the words or columns that decided, rows it learnt from, what would turn the answer."""

from metier.rooms import verb

verb(__name__)
