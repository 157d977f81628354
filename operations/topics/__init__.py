"""Making the cluster's topics match the catalogue."""
