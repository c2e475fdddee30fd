"""Who stands before whom: on one task, in a category, over a suite; and what is given up for it. No torch."""
