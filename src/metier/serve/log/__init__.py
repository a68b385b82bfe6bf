"""The prediction log: every answer and every truth told, on disk before it is acknowledged, then in the records."""
