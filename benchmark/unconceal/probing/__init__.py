"""Evaluates neighbours and attack prompts of frozen probe sets."""
