"""Writes the weights of a run's checkpoint to one safetensors file, for use without the run.

    python -m experiments.export --run=runs/r20 --step=best --output=r20.safetensors --data_dir=...

`cnnlab.train.export.read('r20.safetensors')` gives (model, variables) back; the file's metadata
name the network and its fields. The optimizer's state and the step are left out.
"""

from absl import flags

from cnnlab.train import export, runs

from . import common

_RUN = flags.DEFINE_string(
    'run', None, 'A run directory, or one of its checkpoints (RUN/checkpoints/STEP).', required=True
)
_STEP = flags.DEFINE_string(
    'step',
    'last',
    "Which checkpoint of a run: 'last', 'best' (highest validation top-1) or a step.",
)
_OUTPUT = flags.DEFINE_string('output', None, 'The file to write.', required=True)


def main(_):
    """Reads, writes and says what."""
    run, step = runs.find(_RUN.value, _STEP.value)
    setup, state = runs.restored(run, step, common.DATA_DIR.value)
    fields = {'num_classes': setup.classes, **setup.recipe.model_fields}
    facts = {
        'dataset': setup.recipe.dataset,
        'step': step,
        'normalize': setup.recipe.data.normalize,
        'view': list(setup.recipe.augment.common),
    }
    path = export.write(
        _OUTPUT.value, setup.recipe.model, fields, state.evaluation_variables, facts
    )
    print(f'wrote {setup.recipe.model} at step {step:,} to {path} ({path.stat().st_size:,} bytes)')


if __name__ == '__main__':
    common.start(main)
