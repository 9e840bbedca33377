"""Pairs of name templates that translate a source's names to ours and back."""

import dataclasses
import functools
import re

_FIELD = re.compile(r'\{([a-z_]+)([+-]\d+)?(?::([^{}]+))?\}')


@dataclasses.dataclass(frozen=True)
class _Side:
    """One compiled template: a regular expression, and the text around the fields."""

    pattern: re.Pattern
    # the literal pieces between the fields
    text: tuple[str, ...]
    # (name, shift), in the order of appearance
    fields: tuple[tuple[str, int], ...]

    def values(self, name: str) -> dict[str, str | int] | None:
        """The fields' values in `name`, shifts undone; None where the template does not match."""
        match = self.pattern.fullmatch(name)
        if not match:
            return None
        values: dict[str, str | int] = {}
        for text, (field, shift) in zip(match.groups(), self.fields, strict=True):
            value = int(text) - shift if text.isdecimal() else text
            if values.setdefault(field, value) != value or (isinstance(value, int) and value < 0):
                return None
        return values

    def filled(self, values: dict[str, str | int]) -> str:
        """The name with these values."""
        shown = [
            str(value + shift) if isinstance(value := values[field], int) else value
            for field, shift in self.fields
        ]
        return ''.join(piece + value for piece, value in zip(self.text, [*shown, ''], strict=True))


def _compile(template: str, choices: dict[str, str]) -> _Side:
    pattern, text, fields, end = '', [], [], 0
    for field in _FIELD.finditer(template):
        literal = template[end : field.start()]
        text.append(literal)
        fields.append((field[1], int(field[2] or 0)))
        pattern += re.escape(literal) + '(' + choices.get(field[1], r'0|[1-9]\d*') + ')'
        end = field.end()
    text.append(template[end:])
    return _Side(re.compile(pattern + re.escape(template[end:])), tuple(text), tuple(fields))


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two templates with the same fields: Pair('layer{s}.{b}.conv{i}',
    'stage{s}/block{b+1}/conv{i}').

    `{b}` is a whole number, `{b+1}` is that number plus one, and `{part:conv|norm}` is one of these
    words; they are listed on one side only.

    Raises:
      ValueError: the two sides do not have the same fields.
    """

    source: str
    target: str

    def __post_init__(self):
        if {f for f, _ in self._sides[0].fields} != {f for f, _ in self._sides[1].fields}:
            raise ValueError(
                f'the templates {self.source!r} and {self.target!r} do not have the same fields'
            )

    @functools.cached_property
    def _sides(self) -> tuple[_Side, _Side]:
        choices = {
            f[1]: '|'.join(map(re.escape, f[3].split('|')))
            for t in (self.source, self.target)
            for f in _FIELD.finditer(t)
            if f[3]
        }
        return _compile(self.source, choices), _compile(self.target, choices)

    @property
    def literal(self) -> bool:
        """Whether the pair has no field at all."""
        return not self._sides[0].fields

    def forward(self, source: str) -> str | None:
        """The target name of a source name, or None where it does not match."""
        values = self._sides[0].values(source)
        return None if values is None else self._sides[1].filled(values)

    def backward(self, target: str) -> str | None:
        """The source name of a target name, or None where it does not match."""
        values = self._sides[1].values(target)
        return None if values is None else self._sides[0].filled(values)
