"""The companion of unconceal, not in the wheel: builds the embedded worlds, validates the metrics, measures speed."""
