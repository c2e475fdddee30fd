"""Eliciting and freezing what language models know of a concept's neighbourhood."""
