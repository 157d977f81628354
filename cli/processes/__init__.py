"""`cev consume --processes`: several processes of the same groups, under one that starts them again."""
