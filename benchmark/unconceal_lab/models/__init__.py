"""The networks of the miniature world, and the loop that trains them."""
