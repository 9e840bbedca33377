"""Deep Compression's SqueezeNet: the published file, and files that are not it."""

import pathlib

import numpy as np
import pytest

from cnnlab.weights.readers import deep_compression

PUBLISHED = pathlib.Path(__file__).parents[1] / 'fixtures/squeezenet/compressed_SqueezeNet.net'


def test_a_third_of_the_weights_are_kept_at_256_shared_values():
    arrays = deep_compression.squeezenet(PUBLISHED)
    weights = {name: array for name, array in arrays.items() if name.endswith('weight')}
    # SqueezeNet 1.0 of the paper: 26 convolutions
    assert len(weights) == 26 and sum(a.size for a in arrays.values()) == 1_248_424
    assert all(array.dtype == np.float32 for array in arrays.values())
    assert max(len(np.unique(array)) for array in weights.values()) <= 256
    kept = sum(np.count_nonzero(array) for array in weights.values())
    # arXiv:1602.07360, section 4: 33% sparsity and 8-bit quantization
    assert kept / sum(array.size for array in weights.values()) == pytest.approx(0.33, abs=0.01)


@pytest.mark.parametrize(
    ('change', 'why'),
    [
        (lambda data: data[:-1], 'it ends after 675,762 bytes'),
        (lambda data: data + b'x', '1 bytes follow its end'),
        (lambda data: b'', 'it ends after 0 bytes'),
        # every gap the largest
        (lambda data: data[:104] + b'\xff' * (len(data) - 104), 'lies beyond its'),
    ],
)
def test_another_file_is_refused_in_one_sentence(tmp_path, change, why):
    path = tmp_path / 'other.net'
    path.write_bytes(change(PUBLISHED.read_bytes()))
    with pytest.raises(ValueError, match=why) as error:
        deep_compression.squeezenet(path)
    assert str(error.value).startswith(f'{path} is not the SqueezeNet of Deep Compression: ')
    assert '\n' not in str(error.value)
