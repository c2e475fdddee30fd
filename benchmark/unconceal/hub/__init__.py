"""The Hugging Face Hub: where released checkpoints are pinned and downloaded from, a few allow-listed files at a time."""
