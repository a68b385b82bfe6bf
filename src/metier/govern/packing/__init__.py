"""An expert as one signed file: packed, verified without unpacking, unpacked only when nothing in it was altered."""
