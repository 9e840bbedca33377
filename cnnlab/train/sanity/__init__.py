"""What to check before a long run: each check says what was expected, what was measured, and what
usually causes the difference.

The checks are those of the CNN lectures on training (babysitting) and of Stanford's CS231n notes on
the same; limits that these do not give are `assumed` and stand in each result.
"""
