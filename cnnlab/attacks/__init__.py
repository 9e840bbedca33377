"""Breaking networks: adversarial examples, fooling images, patches, corruptions.

Images, budgets and perturbations are in units of [0, 1], a pixel's value / 255; images are float32
(n, h, w, c). The `Classifier` normalizes them itself, so a budget always counts pixel values.
"""
