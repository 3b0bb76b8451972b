"""How fast the worker delivers, against a bare loop and the tutorial's loop.

`make bench` runs everything; `python -m benchmarks --help` tells what else.
"""
