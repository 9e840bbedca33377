"""Breaking networks: adversarial examples, fooling images, patches, corruptions.

One convention: images are float32 (n, h, w, c) in [0, 1], a pixel's value / 255, and so are budgets
and perturbations. A `Classifier` normalizes them itself, so that a budget is one of pixels whatever
the network does with them first.
"""
