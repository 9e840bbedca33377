"""Evaluates a run or one of its checkpoints: top-1, top-5, loss and confusion matrix.

    python -m experiments.evaluate --run=runs/r20 --split=test --data_dir=...
    python -m experiments.evaluate --run=runs/r20/checkpoints/6400 --split=validation --data_dir=...
    # logits averaged over ten views of each image
    python -m experiments.evaluate --run=runs/r20 --tta=ten_crop --data_dir=...

Every image of the split counts exactly once. Writes evaluation_<split>.json and
confusion_<split>.png into --workdir; default: the run directory.
"""

import json

from absl import flags

from cnnlab import names
from cnnlab.report import confusion, plots
from cnnlab.report.files import write_text
from cnnlab.report.table import Column, Table
from cnnlab.train import runs, workdir
from cnnlab.train.distributed import sharding
from cnnlab.train.evaluate import evaluate
from cnnlab.train.on_device import tta

from . import common

flags.declare_key_flag('data_dir')
flags.declare_key_flag('workdir')
_RUN = flags.DEFINE_string(
    'run', None, 'Run directory, or one of its checkpoints (RUN/checkpoints/STEP).', required=True
)
_STEP = flags.DEFINE_string(
    'step',
    'last',
    "Checkpoint of the run: 'last', 'best' (highest validation top-1) or a step.",
)
_SPLIT = flags.DEFINE_string('split', 'test', 'Split: train, validation or test.')
_BATCH = flags.DEFINE_integer(
    'batch',
    0,
    'Number of images per step; 0 takes the batch size of the recipe. The result does not depend '
    'on it.',
    lower_bound=0,
)
_TTA = flags.DEFINE_string(
    'tta', None, f'Test-time augmentation: {", ".join(tta.TABLE)}. Default: as in the recipe.'
)


def main(_):
    """Evaluates, prints the result by class and writes the files."""
    run, step = runs.find(_RUN.value, _STEP.value)
    setup, state = runs.restored(run, step, common.DATA_DIR.value, _TTA.value)
    source = names.lookup('split of this run', _SPLIT.value, setup.data)
    batch = _BATCH.value or setup.recipe.run.batch_size
    sharding.check_batch(batch, setup.mesh)
    state = sharding.replicate(state, setup.mesh)
    result = evaluate(setup.eval_step, state, source, setup.transform, batch=batch, mesh=setup.mesh)
    counts = result.pop('confusion')
    images, right = counts.sum(1), counts.diagonal()
    rows = [
        (name, int(n), float(r / n) if n else None)
        for name, n, r in zip(source.class_names, images, right, strict=True)
    ]
    columns = (Column('class'), Column('images', 'integer'), Column('top-1', 'percent'))
    table = Table(columns, rows, f'{setup.recipe.model}, {_SPLIT.value}, by class')
    table.print()
    print(
        f'{run} at step {step:,} on {_SPLIT.value}: top-1 {result["top1"]:.2%}, top-5 '
        f'{result["top5"]:.2%}, loss {result["loss"]:.4f} on {result["n"]:,} images'
    )
    out = workdir.writable(common.WORKDIR.value or run)
    by_class = {name: {'images': n, 'top1': top1} for name, n, top1 in rows}
    record = {
        'run': run.name,
        'step': step,
        'split': _SPLIT.value,
        **result,
        'by_class': by_class,
        'confusion': counts.tolist(),
    }
    write_text(out / f'evaluation_{_SPLIT.value}.json', json.dumps(record) + '\n')
    plots.save(
        confusion.confusion_matrix(counts, source.class_names),
        out / f'confusion_{_SPLIT.value}.png',
    )
    print(f'wrote {out}/evaluation_{_SPLIT.value}.json and confusion_{_SPLIT.value}.png')


if __name__ == '__main__':
    common.start(main)
