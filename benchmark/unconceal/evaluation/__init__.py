"""From a spec to a record: measure, assemble, settle."""
