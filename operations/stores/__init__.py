"""What an operator does with the stores of groups."""
