"""Sanity checks before a long run. Each states what was expected, what was measured, and the usual
causes of a failure.

The checks are those of the CNN lectures on training and of Stanford's CS231n notes on the same
subject. Limits that these do not give are `assumed`; each result states its limits.
"""
