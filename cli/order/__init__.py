"""`cev order`."""
