"""The page of a request: a section for each explanation, and a gallery of small pictures."""

import io
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from cnnlab.report import page, plots
from cnnlab.report.files import write_bytes, write_text
from cnnlab.visual import pictures, registry
from cnnlab.visual.request import Group, Panel, Request

# the widest row of a gallery, in pixels
_WIDTH = 480
# pictures side by side in a gallery
_COLUMNS = 4


def draw(request: Request, names: Sequence[str]) -> dict[str, list[Group]]:
    """Draws the groups of some explanations: {name: groups}.

    Args:
      request: the network, pictures and settings.
      names: of explanations.

    Raises:
      KeyError: there is no such explanation. ValueError: one cannot be made of this network or
        these pictures.
    """
    return {name: list(registry.get(name).groups(request)) for name in names}


def write(
    folder: pathlib.Path,
    title: str,
    facts: Mapping[str, object],
    groups: Mapping[str, Sequence[Group]],
) -> pathlib.Path:
    """Writes a PNG for each panel, and index.html with all of them; returns its path.

    Args:
      folder: where the files go.
      title: of the page.
      facts: about the network and the pictures, by what they are.
      groups: {name of an explanation: its groups}, as `draw` returns them.
    """
    text = (
        'Keys: the arrow keys go from picture to picture, n and p to the next and the previous '
        'section.'
    )
    sections = [page.Section('Network and pictures', [text, dict(facts)])]
    for name, drawn in groups.items():
        explanation = registry.get(name)
        rows = [
            page.PictureRow(group.title, [_picture(folder, panel) for panel in group.panels])
            for group in drawn
        ]
        sections.append(page.Section(explanation.title, [explanation.text, *rows]))
    return page.write_page(folder / 'index.html', title, sections)


def write_gallery(folder: pathlib.Path, title: str, groups: Mapping[str, Sequence[Group]]) -> None:
    """Writes each group as one small PNG, and a README.md that shows them; plots are left out.

    Args:
      folder: where the files go.
      title: of the README.
      groups: {name of an explanation: its groups}, as `draw` returns them.
    """
    lines = [f'# {title}', '']
    for name, drawn in groups.items():
        explanation = registry.get(name)
        lines += [f'## {explanation.title}', '', explanation.text, '']
        for number, group in enumerate(drawn):
            images = [p.image for p in group.panels if isinstance(p.image, np.ndarray)]
            if not images:
                continue
            longest = max(max(image.shape[:2]) for image in images)
            side = min(longest, _WIDTH // min(len(images), _COLUMNS))
            row = pictures.grid([pictures.enlarged(image, side) for image in images], _COLUMNS)
            file = f'{name}_{number}.png'
            # a palette of 256 colors keeps the files small
            write_bytes(folder / file, _png(Image.fromarray(row).quantize(256)))
            # each part of a caption once, though several panels have it
            parts = dict.fromkeys(part for p in group.panels for part in p.caption.split('; '))
            lines += [f'![{group.title}]({file})', '', '; '.join(parts), '']
    write_text(folder / 'README.md', '\n'.join(lines))


def _picture(folder: pathlib.Path, panel: Panel) -> page.Picture:
    """The panel as a PNG in the folder, and as a picture of the page."""
    path = folder / f'{panel.name}.png'
    if isinstance(panel.image, np.ndarray):
        write_bytes(path, _png(Image.fromarray(panel.image)))
        return page.Picture(path, panel.caption, panel.caption, by_pixel=True)
    plots.save(panel.image, path)
    return page.Picture(path, panel.caption, panel.caption)


def _png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, 'PNG', optimize=True)
    return file.getvalue()
