"""Fresh re-runs: prompts, seeds and ψ that are drawn when a row is measured again."""
