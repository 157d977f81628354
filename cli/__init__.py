"""The command line `cev`, the composition root: reads settings, finds the cluster, calls the other rooms."""
