"""Who does the work: this process, workers of this machine, or a Ray cluster. All of them make the same records."""
