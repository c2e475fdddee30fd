"""Released checkpoints: what format they are in, what they change in the base, and whether they really changed it."""
