"""Numbers about a model: its errors, its probabilities, its space, its training. No figures."""
