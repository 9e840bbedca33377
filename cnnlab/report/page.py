"""HTML pages in one file: text, facts, sortable tables and plots, without links to other files."""

import base64
import dataclasses
import os
import pathlib
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from cnnlab.report import plots, style, templating
from cnnlab.report.files import write_text
from cnnlab.report.table import Table

# CSS pixels per inch
_CSS_INCH = 96


@dataclasses.dataclass(frozen=True)
class Picture:
    """A plot or a PNG file on a page.

    Attributes:
      image: a matplotlib Figure, or the path of a PNG file.
      caption: text below the picture.
      alt: description for readers who cannot see it.
      by_pixel: whether a pixel of the picture is a pixel of the page; otherwise the text in the
        picture has its size in points.
    """

    image: Figure | str | os.PathLike
    caption: str
    alt: str
    by_pixel: bool = False


@dataclasses.dataclass(frozen=True)
class PictureRow:
    """Pictures side by side under one name; they wrap at the width of the page."""

    name: str
    pictures: Sequence[Picture]


@dataclasses.dataclass(frozen=True)
class Section:
    """A heading and its content, in order.

    Text is split into paragraphs at blank lines. A mapping is a list of facts, such as commands,
    versions and seeds.
    """

    heading: str
    content: Sequence[str | Table | Picture | PictureRow | Mapping[str, object]]


def write_page(path: str | os.PathLike, title: str, sections: Sequence[Section]) -> pathlib.Path:
    """Writes a page, complete or not at all.

    Images, style and script are inside the file, and its content security policy forbids requests.
    All text is escaped.

    Args:
      path: of the HTML file.
      title: of the page.
      sections: from top to bottom.

    Returns:
      The path.

    Raises:
      ValueError: there is no section, a section has content of another type, or a picture is no PNG
        file.
      FileNotFoundError: the file of a picture does not exist.

    Example:
      >>> write_page('report.html', 'Results', [Section('Accuracy', ['Three seeds each.', table])])
    """
    if not sections:
        raise ValueError('a page needs at least one section, none was given')
    parts = [
        (section.heading, [_part(section.heading, item) for item in section.content])
        for section in sections
    ]
    return write_text(path, templating.render('page.html', title=title, sections=parts))


def _part(heading: str, item: object) -> dict:
    """Returns the values with which the template shows one piece of content."""
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
    if isinstance(item, PictureRow):
        return {
            'kind': 'row',
            'name': item.name,
            'pictures': [_part(heading, picture) for picture in item.pictures],
        }
    if isinstance(item, Mapping):
        return {'kind': 'facts', 'facts': item}
    raise ValueError(
        f'section {heading!r} holds a value of type {type(item).__name__}; allowed are text, '
        f'Table, Picture, PictureRow and mappings'
    )


def _embedded(image: Figure | str | os.PathLike, by_pixel: bool) -> dict:
    """Returns the PNG in base64, and its width and height in CSS pixels."""
    if isinstance(image, Figure):
        content = plots.png(image)
    else:
        path = pathlib.Path(image)
        if not path.is_file():
            raise FileNotFoundError(f'no picture at {os.fspath(path)!r}')
        content = path.read_bytes()
        if content[:8] != b'\x89PNG\r\n\x1a\n':
            raise ValueError(f'{os.fspath(image)!r} is no PNG file')
    # the IHDR chunk has them at bytes 16 and 20
    width, height = (int.from_bytes(content[at : at + 4], 'big') for at in (16, 20))
    scale = 1 if by_pixel else _CSS_INCH / style.DPI
    return {
        'data': base64.b64encode(content).decode(),
        'width': round(width * scale),
        'height': round(height * scale),
    }
