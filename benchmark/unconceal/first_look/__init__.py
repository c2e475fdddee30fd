"""A first look at a checkpoint, without any YAML: θ and θ* side by side, judged by zero-shot CLIP. It writes no record."""
