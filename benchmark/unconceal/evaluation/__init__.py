"""From a spec to a record: measure, score, compute the verdict."""
