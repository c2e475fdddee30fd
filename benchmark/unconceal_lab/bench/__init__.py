"""What an evaluation costs, beside the way it was released: measured, counted, and computed for sizes that nobody has run."""
