"""The peers of `benchmarks.input`: tf.data, and torch's DataLoader with Pillow, on JPEG files.

    # tf or torch, folder, images per batch, threads (tf) or processes (torch)
    /path/to/python benchmarks/input_peer.py tf FOLDER 32 1

`benchmarks.input` starts it with an interpreter that has these packages; cnnlab is not needed. It
answers each line N on standard input with the seconds that N batches take. Both peers decode, take
a random crop of 8-100% of the area and aspect ratio 3/4 to 4/3, resize it to 224x224 with a
bilinear filter, flip it with probability 1/2, and stack uint8 batches. tf decodes only the crop;
Pillow works as torchvision does on PIL images.
"""

import math
import pathlib
import random
import sys
import time

SIZE = 224


def tf_batches(folder, batch, threads):
    """Returns (version, iterator of batches) of the usual tf.data pipeline."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(threads)

    def transform(path):
        data = tf.io.read_file(path)
        shape = tf.image.extract_jpeg_shape(data)
        begin, size, _ = tf.image.sample_distorted_bounding_box(
            shape,
            tf.zeros((1, 0, 4)),
            aspect_ratio_range=(3 / 4, 4 / 3),
            area_range=(0.08, 1.0),
            max_attempts=10,
            min_object_covered=0.0,
            use_image_if_no_bounding_boxes=True,
        )
        crop = tf.concat([begin[:2], size[:2]], 0)
        image = tf.image.resize(tf.image.decode_and_crop_jpeg(data, crop, channels=3), (SIZE, SIZE))
        return tf.cast(tf.image.random_flip_left_right(image), tf.uint8)

    paths = sorted(map(str, pathlib.Path(folder).glob('*')))
    data = tf.data.Dataset.from_tensor_slices(paths).shuffle(len(paths)).repeat()
    options = tf.data.Options()
    options.threading.private_threadpool_size = threads
    options.threading.max_intra_op_parallelism = 1
    data = (
        data.map(transform, num_parallel_calls=threads, deterministic=True)
        .batch(batch)
        .prefetch(2)
        .with_options(options)
    )
    return f'tf.data {tf.__version__}', data.as_numpy_iterator()


class Folder:
    """A torch dataset with torchvision's RandomResizedCrop and RandomHorizontalFlip, by Pillow."""

    def __init__(self, folder):
        self.paths = sorted(map(str, pathlib.Path(folder).glob('*')))

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, i):
        import numpy as np
        import torch
        from PIL import Image

        with pathlib.Path(self.paths[i]).open('rb') as file:
            image = Image.open(file).convert('RGB')
        left, top, width, height = box(*image.size)
        image = image.crop((left, top, left + width, top + height)).resize(
            (SIZE, SIZE), Image.Resampling.BILINEAR
        )
        if random.random() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return torch.from_numpy(np.array(image))


def box(w, h):
    """Draws a crop (left, top, width, height) as torchvision does."""
    for _ in range(10):
        area = w * h * random.uniform(0.08, 1)
        ratio = math.exp(random.uniform(math.log(3 / 4), math.log(4 / 3)))
        width, height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < width <= w and 0 < height <= h:
            return random.randint(0, w - width), random.randint(0, h - height), width, height
    width, height = min(w, round(h * 4 / 3)), min(h, round(w * 4 / 3))
    return (w - width) // 2, (h - height) // 2, width, height


def torch_batches(folder, batch, workers):
    """Returns (version, iterator of batches) of torch's DataLoader."""
    import torch

    torch.set_num_threads(1)
    data = Folder(folder)
    loader = torch.utils.data.DataLoader(
        data, batch, sampler=Endless(len(data)), num_workers=workers
    )
    return f'torch {torch.__version__} DataLoader', iter(loader)


class Endless:
    """A sampler that yields one random permutation after another, without end."""

    def __init__(self, n):
        self.n = n

    def __iter__(self):
        while True:
            yield from random.sample(range(self.n), self.n)


def main():
    """Answers the lines on standard input."""
    if len(sys.argv) != 5:
        print('started by benchmarks.input')
        return
    kind, folder, batch, workers = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:5])
    version, batches = (tf_batches if kind == 'tf' else torch_batches)(folder, batch, workers)
    next(batches)
    print(version, flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        for _ in range(int(line)):
            next(batches)
        print(time.perf_counter() - start, flush=True)


if __name__ == '__main__':
    main()
