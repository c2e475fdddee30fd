"""Rows for other programs and for papers: CSV, JSON, LaTeX, BibTeX, and the Hub's evaluation results. No torch."""
