"""Are the metrics right? Models whose truth is known, truth that no metric of ours has a part in, and how the two agree."""
