"""The compiled loops: arrays in, arrays out, numba and numpy only.

Nothing here validates, raises or logs: the modules that call a kernel check its arguments.
Randomness is always an argument.
"""
