"""One file per command of ``python -m unconceal_lab``."""
