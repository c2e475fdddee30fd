"""Generated pages of docs/reports/, one module each."""
