"""Ways to the outside: mail and text. At least once, with a stable key per message (design §7, point 8)."""
