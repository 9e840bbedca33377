"""What did not fit when a file was read as a network: every case gathered, sorted, and told in one
error.
"""

# as many are printed; the count is always of all
LISTED = 20


def refuse(weights: str, mismatches: list[str]) -> None:
    """Raises one ValueError that lists the mismatches, sorted, the first 20 and their count; does
    nothing where there are none.
    """
    if not mismatches:
        return
    lines = sorted(mismatches)
    more = f'\n  ... and {len(lines) - LISTED} more' if len(lines) > LISTED else ''
    raise ValueError(
        f'{len(lines)} mismatch{"es" if len(lines) > 1 else ""} between these arrays and '
        f'{weights}:\n  ' + '\n  '.join(lines[:LISTED]) + more
    )
