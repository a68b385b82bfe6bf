"""The whole way in order: read, prepare, split, climb, calibrate, evaluate, draw, seal. The file to read first."""

from __future__ import annotations
