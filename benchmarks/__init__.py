"""What the service costs beside the raw client: one file per measurement, one harness for all.

    make bench                                           every measurement; writes docs/performance.md
    python -m benchmarks effects --orders 30000 --rounds 3
    python -m benchmarks all --quick                     tiny sizes: shows that it runs, not how fast

A figure of one run says little about a machine that does other things too. So the contestants of a case take
turns, each run is a process of its own, and what counts is the median of the ratios of each round. A run that
did not do all its work is void. Nothing here is asserted; `docs/performance.md` shows goals beside figures.
"""
