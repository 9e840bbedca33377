"""The classes of CIFAR-10, in the order of their labels."""

# 'label_names' of batches.meta in Krizhevsky's python version
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
