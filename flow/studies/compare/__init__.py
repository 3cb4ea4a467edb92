"""Minifloat against integer: what each format costs in hardware, how well networks do with it, and what follows."""
