"""Small images side by side, each under its caption: pixels and filters as they are."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from cnnlab.report import style

# most images of a figure
_MOST = 100
# inches of an image's side
_SIDE = 1.1


def grid(
    images: Sequence[np.ndarray] | np.ndarray, captions: Sequence[str], columns: int = 8
) -> Figure:
    """Draws images in rows, enlarged without smoothing.

    uint8 images are drawn as they are. Floating-point images share one scale from black, their
    smallest value, to white, their largest; it is written below them.

    Args:
      images: 1 to 100 arrays (h, w) or (h, w, 1 or 3).
      captions: one per image.
      columns: images per row.

    Raises:
      ValueError: the number of images, captions or channels is another.
    """
    if not 0 < len(images) <= _MOST or len(captions) != len(images):
        raise ValueError(
            f'a picture of 1 to {_MOST} images with a caption each was asked for, not of '
            f'{len(images)} with {len(captions)}'
        )
    arrays = [np.asarray(a) for a in images]
    if any(a.ndim not in (2, 3) or (a.ndim == 3 and a.shape[-1] not in (1, 3)) for a in arrays):
        raise ValueError(f'images have 1 or 3 channels; given: shape {arrays[0].shape}')
    floating = arrays[0].dtype != np.uint8
    low, high = (
        (min(float(a.min()) for a in arrays), max(float(a.max()) for a in arrays))
        if floating
        else (0, 255)
    )
    columns = min(columns, len(arrays))
    rows = -(-len(arrays) // columns)
    figure = style.figure(columns * _SIDE + 0.2, rows * (_SIDE + 0.22) + (0.4 if floating else 0.2))
    for i, axes in enumerate(np.ravel(figure.subplots(rows, columns, squeeze=False))):
        axes.set_axis_off()
        if i < len(arrays):
            shown = (arrays[i].astype(np.float64) - low) / (high - low or 1)
            axes.imshow(
                shown
                if shown.ndim == 3 and shown.shape[-1] == 3
                else shown.reshape(shown.shape[:2]),
                cmap='gray',
                vmin=0,
                vmax=1,
                interpolation='nearest',
            )
            axes.set_title(captions[i], fontsize=8, color=style.INK, pad=2, parse_math=False)
    if floating:
        figure.supxlabel(
            f'black {low:.2f}, white {high:.2f}', fontsize=8, color='#555555', x=0.01, ha='left'
        )
    return figure
