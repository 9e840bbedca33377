"""One self-contained HTML file: prose, facts, sortable tables and plots, without a reference to
anything outside.
"""

import base64
import dataclasses
import os
import pathlib
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from cnnlab.report import plots, style, templating
from cnnlab.report.files import write_text
from cnnlab.report.table import Table

# pixels
_CSS_INCH = 96


@dataclasses.dataclass(frozen=True)
class Picture:
    """A plot, or a PNG file, with its caption and a text for those who cannot see it.

    Shown at the size of its text in points, or, with `by_pixel`, a pixel of it in a pixel of the
    page.
    """

    image: Figure | str | os.PathLike
    caption: str
    alt: str
    by_pixel: bool = False


@dataclasses.dataclass(frozen=True)
class Row:
    """Pictures side by side, as far as the page is wide, with a name for all of them."""

    name: str
    pictures: Sequence[Picture]


@dataclasses.dataclass(frozen=True)
class Section:
    """A heading and what stands below it, in order.

    A text is prose, its paragraphs apart by blank lines; a mapping holds facts: commands, versions,
    seeds.
    """

    heading: str
    content: Sequence[str | Table | Picture | Row | Mapping[str, object]]


def write_page(path: str | os.PathLike, title: str, sections: Sequence[Section]) -> pathlib.Path:
    """Writes the page whole or not at all and returns its path.

    Images are embedded, style and script are inline, and the page's own policy forbids it any
    request. Everything is escaped.

    Raises:
      ValueError: there is no section, or something in a section is none of the kinds that `Section`
        lists, or no PNG file.
      FileNotFoundError: the file of a picture does not exist.
    """
    if not sections:
        raise ValueError('a page needs at least one section, none was given')
    parts = [
        (section.heading, [_part(section.heading, item) for item in section.content])
        for section in sections
    ]
    return write_text(path, templating.render('page.html', title=title, sections=parts))


def _part(heading: str, item: object) -> dict:
    """What the template needs of one piece of content: its kind and its values."""
    if isinstance(item, str):
        return {'kind': 'prose', 'paragraphs': [p.strip() for p in item.split('\n\n') if p.strip()]}
    if isinstance(item, Table):
        return {'kind': 'table', 'html': item.to_html(), 'label': item.title or heading}
    if isinstance(item, Picture):
        return {
            'kind': 'picture',
            'caption': item.caption,
            'alt': item.alt,
            **_embedded(item.image, item.by_pixel),
        }
    if isinstance(item, Row):
        return {
            'kind': 'row',
            'name': item.name,
            'pictures': [_part(heading, picture) for picture in item.pictures],
        }
    if isinstance(item, Mapping):
        return {'kind': 'facts', 'facts': item}
    raise ValueError(
        f'section {heading!r} holds a value of type {type(item).__name__}; allowed are text, '
        f'Table, Picture, Row and mappings'
    )


def _embedded(image: Figure | str | os.PathLike, by_pixel: bool) -> dict:
    """The PNG in base64 with its size in CSS pixels."""
    if isinstance(image, Figure):
        content = plots.png(image)
    else:
        path = pathlib.Path(image)
        if not path.is_file():
            raise FileNotFoundError(f'no picture at {os.fspath(path)!r}')
        content = path.read_bytes()
        if content[:8] != b'\x89PNG\r\n\x1a\n':
            raise ValueError(f'{os.fspath(image)!r} is no PNG file')
    # of the IHDR chunk
    width, height = (int.from_bytes(content[at : at + 4], 'big') for at in (16, 20))
    scale = 1 if by_pixel else _CSS_INCH / style.DPI
    return {
        'data': base64.b64encode(content).decode(),
        'width': round(width * scale),
        'height': round(height * scale),
    }
