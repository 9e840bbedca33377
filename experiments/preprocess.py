"""Changes to the preprocessing of published weights from --preprocess=field=value."""

import dataclasses

from cnnlab import names, weights


def _value(field, text):
    """The text of a --preprocess as the field's type."""
    try:
        if field in ('mean', 'std'):
            red, green, blue = map(float, text.split(','))
            return red, green, blue
        return {'resize': int, 'crop': int, 'scale': float}.get(field, str)(text)
    except ValueError:
        takes = 'three numbers' if field in ('mean', 'std') else 'a number'
        raise ValueError(f'--preprocess={field}={text}: {field} takes {takes}') from None


def preprocess(entry: weights.PublishedWeights, changes: list[str]) -> weights.Preprocess:
    """The entry's preprocessing with 'field=value' changes made.

    Raises:
      ValueError: an unknown field or a wrong value; or the source states none and the changes do
        not say all of it.
    """
    fields = [f.name for f in dataclasses.fields(weights.Preprocess)]
    said = {}
    for change in changes:
        field, _, text = change.partition('=')
        names.among('field of the preprocessing', field, fields)
        said[field] = _value(field, text)
    if entry.preprocess is not None:
        return dataclasses.replace(entry.preprocess, **said)
    needed = [
        f.name for f in dataclasses.fields(weights.Preprocess) if f.default is dataclasses.MISSING
    ]
    if missing := [f for f in needed if f not in said]:
        raise ValueError(
            f'the source of {entry.id} states no preprocessing; say '
            f'{", ".join(f"--preprocess={f}=..." for f in missing)}'
        )
    return weights.Preprocess(**said)
