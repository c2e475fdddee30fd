"""What is generated, under which identity, and where it is kept."""
