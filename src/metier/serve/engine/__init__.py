"""Many experts on one trunk: one pass answers a mixed batch. `engine` is the room's front door, `batcher` its queue."""
