"""Dead letters: listed, redriven, discarded."""
