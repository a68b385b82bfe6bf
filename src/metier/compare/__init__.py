"""Tune, take as is, or train from scratch? Every way over growing numbers of labels, and what more would buy."""

from metier.rooms import verb

verb(__name__)
