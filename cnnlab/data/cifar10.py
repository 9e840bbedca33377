"""The class names of CIFAR-10, in the order of the labels."""

# The field `label_names` of batches.meta in the Python version of the data set.
CLASS_NAMES = (
    'airplane',
    'automobile',
    'bird',
    'cat',
    'deer',
    'dog',
    'frog',
    'horse',
    'ship',
    'truck',
)
