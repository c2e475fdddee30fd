"""Human ratings: whether people see the concept in images, and how far judge and scores agree with them."""
