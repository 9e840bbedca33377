"""Residual and plain networks on CIFAR-10: He, Zhang, Ren & Sun 2015, arXiv:1512.03385, as facts.md, table 2 has it.

SGD with momentum 0.9 and weight decay 1e-4 on all parameters; batch 128; rate 0.1, divided by 10 at 32k and 48k of 64k steps; 45k/5k split;
images padded by 4, cropped to 32 and flipped; the per-pixel mean subtracted. ResNet-110 begins with 0.01 for about 400 steps.
Assumed: batch statistics over the whole batch, and zeros for the padding (the paper pads images whose mean is subtracted already).
"""
from cnnlab.recipes.recipe import Recipe


def cifar10(depth: int, plain: bool = False) -> Recipe:
    """`depth` is 6n + 2: 20, 32, 44, 56, 110 or 1202 (plain: up to 56)."""
    warm = {'warmup': '400 steps', 'warmup_start': 0.1, 'warmup_form': 'constant'} if depth >= 110 else {}
    return Recipe(
        model=f'cifar_{"plain" if plain else "resnet"}{depth}', dataset='cifar10', holdout=5000, augment=('random_crop(4)', 'flip()'),
        normalise='pixel_mean', duration='64000 steps', batch=128, optimiser='momentum', rate=0.1, momentum=0.9, decay=1e-4,
        schedule='step', boundaries=(0.5, 0.75), factor=0.1, evaluate_every='2 epochs', checkpoint_every='2 epochs',
        log_every='100 steps', **warm)
