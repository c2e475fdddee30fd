"""How the miniature suite's models are made: the recipe, its steps, the quality gates, and what is shipped."""
