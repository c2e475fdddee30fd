"""Rankings: on one task, in a category, over a suite; and the Pareto front. No torch."""
