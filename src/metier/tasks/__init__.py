"""The kinds of task. A new kind is one file beside this one and one line in `_KINDS`."""
