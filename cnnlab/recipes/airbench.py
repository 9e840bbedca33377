"""Airbench, 94% on CIFAR-10 in seconds: Jordan 2024, arXiv:2404.00498, by legacy/airbench94.py in
github.com/KellerJordan/cifar10-airbench.

The source sums the loss over the batch and gives learning rate and weight decay for 1,024 images in
a form that does not depend on the momentum. For a loss averaged over the batch they become a
learning rate of 11.5 / (1 + 1 / (1 - 0.85)) = 1.5 and a coupled weight decay of 0.0153 / 11.5.
"""

from cnnlab.recipes.sourced import sourced

_CODE = 'legacy/airbench94.py in github.com/KellerJordan/cifar10-airbench'
_BIASES = r'norm\d/bias$'
# factor on the learning rate of batch norm's biases, but not on their decay
_SCALER = 64.0

RECIPES = {
    'airbench94': sourced(
        'airbench94',
        'cifar10',
        'arXiv:2404.00498',
        {
            _CODE: {
                'data': {'normalize': 'channel'},
                'augment': {
                    'train': ("random_crop(2, edge='reflect')",),
                    'alternating_flip': True,
                    'tta': 'flip_translate',
                },
                'optimizer': {
                    'name': 'nesterov',
                    'learning_rate': 11.5 / (1 + 1 / (1 - 0.85)),
                    'momentum': 0.85,
                    'learning_rate_factors': {_BIASES: _SCALER},
                    'weight_decay': 0.0153 / 11.5,
                    'weight_decay_mask': ('.*',),
                    'weight_decay_factors': {_BIASES: 1 / _SCALER},
                    'frozen_after': {'whiten/bias$': '144 steps'},
                    'lookahead': 5,
                    'lookahead_step': 1 - 0.95**5,
                    'lookahead_power': 3.0,
                },
                'schedule': {
                    'name': 'polynomial',
                    'end': 0.07,
                    'warmup': '23 percent',
                    'warmup_start': 0.2,
                },
                'loss': {'label_smoothing': 0.2},
                'start': {'whiten': True},
                'run': {'duration': '476 steps', 'batch_size': 1024},
            },
            'recorded': {
                'run': {
                    'log_every': '50 steps',
                    'evaluate_every': '5 epochs',
                    'checkpoint_every': '5 epochs',
                }
            },
        },
        published=f'94.01% test accuracy, mean of 1,000 runs ({_CODE})',
    )
}
