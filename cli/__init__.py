"""The command line `cev`: the composition root. It reads settings, finds the cluster and calls the other rooms."""
