"""How far the C may be from float64 PyTorch: the two numbers that `check` and `threshold` share. Fixed, never tuned."""

MARGIN = 4.0
"""This many times as far as PyTorch's own float32 is."""
ULPS = 4
"""And this many units in the last place (float32) of the running sum of |terms| further."""
