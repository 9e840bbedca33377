"""A folder of images: `root/train/<class>/*.jpg`, and other splits beside `train`."""

import functools
import pathlib

from cnnlab.data.sources.dataset import DataSet
from cnnlab.data.sources.files import SUFFIXES, Files

FOLDERS = {'train': ('train',), 'validation': ('validation', 'val'), 'test': ('test',)}


def open_folder(data_dir: str | pathlib.Path | None) -> DataSet:
    """Opens the data set in a folder.

    Args:
      data_dir: the folder that holds `train`, and `validation` (or `val`) and `test` if they exist.

    Raises:
      ValueError: no data_dir was given, training has fewer than two classes, or both `validation`
        and `val` exist.
      FileNotFoundError: there is no such folder, or no `train` in it.
    """
    if data_dir is None:
        raise ValueError('the set folder needs data_dir, the folder that holds train/<class>/*.jpg')
    root = pathlib.Path(data_dir).expanduser()
    if not root.is_dir():
        raise FileNotFoundError(f'data_dir {root} is not a folder')
    found = _subfolders(root)
    if 'train' not in found:
        raise FileNotFoundError(
            f'{root} has no folder train with a folder of images for each class; '
            f'its folders: {", ".join(found[:6]) or "none"}'
        )
    if {'validation', 'val'} <= set(found):
        raise ValueError(f'{root} has both validation and val; keep one')
    class_names = tuple(_subfolders(root / 'train'))
    if len(class_names) < 2:
        raise ValueError(
            f'{root / "train"} has {len(class_names)} class folder{"" if class_names else "s"}; '
            f'at least two are needed'
        )
    paths = {
        split: root / name for split, names in FOLDERS.items() for name in names if name in found
    }
    for split, path in paths.items():
        if not _subfolders(path):
            raise ValueError(f'the {split} folder {path} has no class folders')
    return DataSet(
        'folder', tuple(paths), functools.partial(_open, paths=paths, class_names=class_names)
    )


def _open(split: str, paths: dict[str, pathlib.Path], class_names: tuple[str, ...]) -> Files:
    """Opens the images of a split, sorted by class and then by path.

    `class_names` are the sorted class folders of the training split; another split may lack some.

    Raises:
      ValueError: a class folder has no images, or training does not have it.
    """
    root = paths[split]
    present = _subfolders(root)
    if unseen := [c for c in present if c not in class_names]:
        raise ValueError(
            f'{root} has the class folder {unseen[0]!r}, which the training folder does not have'
        )
    files = {c: _images(root / c) for c in present}
    if empty := [c for c in present if not files[c]]:
        raise ValueError(f'{root / empty[0]} has no images ({" ".join(sorted(SUFFIXES))})')
    label = {c: i for i, c in enumerate(class_names)}
    return Files(
        'folder',
        split,
        class_names,
        root,
        [path for c in present for path in files[c]],
        [label[c] for c in present for _ in files[c]],
    )


def _subfolders(root: pathlib.Path) -> list[str]:
    return sorted(p.name for p in root.iterdir() if p.is_dir() and not p.name.startswith('.'))


def _images(folder: pathlib.Path) -> list[str]:
    """The images at any depth below a class folder, as sorted '<class>/<path>'.

    Hidden files, such as macOS's ._x.jpg, are left out.
    """
    return sorted(
        p.relative_to(folder.parent).as_posix()
        for p in folder.rglob('*')
        if p.suffix.lower() in SUFFIXES and not p.name.startswith('.')
    )
