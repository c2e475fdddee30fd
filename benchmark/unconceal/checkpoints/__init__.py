"""Released checkpoints: detect their format, apply them to the base, and verify that they change it."""
