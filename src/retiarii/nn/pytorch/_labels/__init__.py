"""Labels of choices, and the values that an architecture gives them."""
