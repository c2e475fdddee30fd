"""Rows for other programs and for papers: CSV, JSON, LaTeX, BibTeX, the Hub, Every Eval Ever and Inspect. No torch."""
