"""Asking language models which concepts are near a target and which prompts evoke it unnamed, and freezing what they say. No torch here."""
