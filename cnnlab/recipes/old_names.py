"""The names that fields had before recipes had sections.

They have three uses: `recipe.from_json` reads old runs; error messages give the current path of an
old name; and a search hashes the old name of a field, so that it draws the same values as before.
"""

from collections.abc import Mapping
from typing import Any

# {old name: current path}
PATHS = {
    'fields': 'model_fields',
    'holdout': 'data.holdout',
    'fold': 'data.fold',
    'limit': 'data.limit',
    'classes': 'data.classes',
    'normalise': 'data.normalize',
    'augment': 'augment.train',
    'evaluation': 'augment.evaluation',
    'view': 'augment.common',
    'sizes': 'augment.progressive_resizing',
    'repeats': 'augment.repeats',
    'alternating_flip': 'augment.alternating_flip',
    'device_flip': 'augment.device_flip',
    'mixup': 'augment.mixup',
    'cutmix': 'augment.cutmix',
    'adversarial': 'augment.adversarial',
    'adversarial_steps': 'augment.adversarial_steps',
    'adversarial_step': 'augment.adversarial_step',
    'tta': 'augment.tta',
    'optimiser': 'optimizer.name',
    'rate': 'optimizer.learning_rate',
    'rates': 'optimizer.learning_rate_factors',
    'momentum': 'optimizer.momentum',
    'beta2': 'optimizer.beta2',
    'eps': 'optimizer.eps',
    'decay': 'optimizer.weight_decay',
    'decayed': 'optimizer.weight_decay_mask',
    'decays': 'optimizer.weight_decay_factors',
    'decay_form': 'optimizer.weight_decay_form',
    'frozen': 'optimizer.frozen',
    'frozen_after': 'optimizer.frozen_after',
    'filter_rms': 'optimizer.filter_rms',
    'clip': 'optimizer.clip_norm',
    'clip_value': 'optimizer.clip_value',
    'lookahead': 'optimizer.lookahead',
    'lookahead_step': 'optimizer.lookahead_step',
    'lookahead_power': 'optimizer.lookahead_power',
    'schedule': 'schedule.name',
    'boundaries': 'schedule.boundaries',
    'factor': 'schedule.factor',
    'values': 'schedule.values',
    'every': 'schedule.every',
    'staircase': 'schedule.staircase',
    'power': 'schedule.power',
    'end': 'schedule.end',
    'patience': 'schedule.patience',
    'warmup': 'schedule.warmup',
    'warmup_start': 'schedule.warmup_start',
    'warmup_form': 'schedule.warmup_form',
    'loss': 'loss.name',
    'smoothing': 'loss.label_smoothing',
    'target_threshold': 'loss.target_threshold',
    'balance': 'loss.balance',
    'aux_weight': 'loss.aux_weight',
    'l1': 'loss.l1',
    'l2': 'loss.l2',
    'norm_span': 'batch_norm.ghost_batch_size',
    'norm_momentum': 'batch_norm.momentum',
    'norm_eps': 'batch_norm.eps',
    'norm_frozen': 'batch_norm.frozen',
    'average': 'average.name',
    'ema': 'average.decay',
    'average_every': 'average.every',
    'average_from': 'average.begin',
    'start_from': 'start.start_from',
    'start_layers': 'start.start_layers',
    'whiten': 'start.whiten',
    'init': 'start.init',
    'duration': 'run.duration',
    'batch': 'run.batch_size',
    'accumulate': 'run.accumulate',
    'precision': 'run.precision',
    'seed': 'run.seed',
    'norm_exact': 'run.recompute_batch_stats',
    'stop_patience': 'run.stop_patience',
    'evaluate_every': 'run.evaluate_every',
    'checkpoint_every': 'run.checkpoint_every',
    'log_every': 'run.log_every',
    'keep': 'run.keep',
    'keep_every': 'run.keep_every',
    'on_nan': 'run.on_nan',
    'nan_limit': 'run.nan_limit',
}
# {removed field: the value that had no effect}
_REMOVED = {'growth': 1}
_OLD = {path: old for old, path in PATHS.items()}


def old_name(path: str) -> str:
    """Returns the old name of the field at a path; a newer field is named by its path."""
    if path.startswith('model_fields.'):
        return 'fields.' + path.removeprefix('model_fields.')
    return _OLD.get(path, path)


def is_flat(loaded: Mapping[str, Any]) -> bool:
    """Whether a recipe read from JSON has the old form, without sections."""
    return any(name in PATHS and not isinstance(value, dict) for name, value in loaded.items())


def migrated(loaded: Mapping[str, Any]) -> dict[str, Any]:
    """Converts a recipe of the old form to {path: value}.

    Raises:
      ValueError: it sets a removed field to a value with an effect.
    """
    values = {}
    for name, value in loaded.items():
        if name in _REMOVED:
            if value != _REMOVED[name]:
                raise ValueError(
                    f'the recipe was written before recipes had sections and says {name}={value}, '
                    f'which they no longer have'
                )
            continue
        values[PATHS.get(name, name)] = value
    # an average was once chosen by its decay alone
    if values.get('average.decay') and not values.get('average.name'):
        values['average.name'] = 'ema'
    return values
