"""Files that a stranger might send: each written to a folder, with what the refusal has to say.

None of them may run, fill the memory, take long, or leave anything behind.
"""

from checkpoints.hostile import adapters, budgets, folders, safetensors_files, torch_files, weights
from checkpoints.hostile.corpus import CORPUS, KEY

__all__ = ["CORPUS", "KEY", "adapters", "budgets", "folders", "safetensors_files", "torch_files", "weights"]
