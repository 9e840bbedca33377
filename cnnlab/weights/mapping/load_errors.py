"""The one error that lists everything in a file that does not fit the network."""

# mismatches that are printed; the count is always of all
LISTED = 20


def refuse(weights: str, mismatches: list[str]) -> None:
    """Raises one ValueError with the number of mismatches and the first 20 of them, sorted; does
    nothing if there are none.
    """
    if not mismatches:
        return
    lines = sorted(mismatches)
    more = f'\n  ... and {len(lines) - LISTED} more' if len(lines) > LISTED else ''
    raise ValueError(
        f'{len(lines)} mismatch{"es" if len(lines) > 1 else ""} between these arrays and '
        f'{weights}:\n  ' + '\n  '.join(lines[:LISTED]) + more
    )
