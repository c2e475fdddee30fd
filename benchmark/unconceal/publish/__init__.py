"""A version of the results as a dataset: Parquet, its card, and the commit and tag that publish it. No torch."""
