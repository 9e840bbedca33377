"""LeNet-5 on MNIST: LeCun, Bottou, Bengio & Haffner 1998.

From the paper (facts.md, table 1c): 60,000 training images, none set aside, no distortions, 0.95% test error; the images are 28x28 in a
32x32 field, background -0.1 and foreground 1.175. Assumed: the optimiser (the paper's diagonal Levenberg-Marquardt is replaced by SGD with
momentum on a cosine), the batch of 128, weight decay, and the rates (that of the 1998 form was chosen among 0.003, 0.01, 0.03 and 0.1 on
10,000 held-out training images after three epochs, as was the softmax loss over the paper's criterion `rbf_map`).
"""
import dataclasses

from cnnlab.recipes.recipe import Recipe

_MNIST = Recipe(
    model='lenet5_dense', dataset='mnist', view=('pad(2)',), normalise='lenet', duration='20 epochs', batch=128,
    optimiser='momentum', rate=0.1, decay=5e-4, decayed=('kernel$',), schedule='cosine', evaluate_every='1 epochs',
    checkpoint_every='1 epochs', log_every='100 steps')


def mnist(form: str = 'dense') -> Recipe:
    """`form` is 'dense' (softmax) or '1998' (logits are minus squared distances to the codes)."""
    if form == 'dense':
        return _MNIST
    return dataclasses.replace(_MNIST, model='lenet5', rate=0.03, clip=1.0)
