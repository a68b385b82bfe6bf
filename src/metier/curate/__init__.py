"""The data room: what is wrong with a table, asked question by question, and what came of every row."""

from metier.rooms import verb

verb(__name__)
