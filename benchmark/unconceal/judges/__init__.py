"""Judges of images: extractors, the two-way classifiers fine-tuned on them, the frozen concept judge, CLIP."""
