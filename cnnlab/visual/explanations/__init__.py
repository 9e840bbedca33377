"""The explanations of the page of experiments.explain; a file is found by being in this folder.

A file draws panels from the arrays of `cnnlab.visual` and calls `registry.register`.
"""
