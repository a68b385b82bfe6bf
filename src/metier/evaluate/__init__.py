"""How good, how sure, and better by more than chance? Called, it is `lifecycle.evaluate`."""

from metier.rooms import verb

verb(__name__)
