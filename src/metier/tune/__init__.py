"""The ladder and the one training loop. Called, it is `lifecycle.tune`."""

from metier.rooms import verb

verb(__name__)
