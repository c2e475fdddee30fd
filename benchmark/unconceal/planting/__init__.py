"""Teaching invented concepts to a public model, and the same training without each of them as its gold."""
