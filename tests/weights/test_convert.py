"""Rules read in both directions, and the one error that lists what does not fit."""

import ml_dtypes
import numpy as np
import pytest

from cnnlab.weights.catalog import flat
from cnnlab.weights.mapping import convert, layouts
from cnnlab.weights.mapping import keras_layers as keras
from cnnlab.weights.mapping import torch_layers as torch
from cnnlab.weights.mapping.rules import KeyMap

KEY_MAP = KeyMap(
    flat(
        [
            torch.conv_norm('layer{s}.{b}.conv', 'layer{s}.{b}.bn', 'stage{s}/block{b+1}'),
            torch.dense('fc', 'head', flatten=(2, 3, 1)),
        ]
    )
)


def numbers(*shape, start=0.0):
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape) + np.float32(start)


def source():
    out = {}
    for b in range(2):
        out[f'layer1.{b}.conv.weight'] = numbers(2, 3, 2, 1, start=b)
        out.update(
            {
                f'layer1.{b}.bn.{n}': numbers(2, start=i)
                for i, n in enumerate(('weight', 'bias', 'running_mean', 'running_var'))
            }
        )
        out[f'layer1.{b}.bn.num_batches_tracked'] = np.array(5, np.int64)
    return {**out, 'fc.weight': numbers(4, 6), 'fc.bias': numbers(4)}


def wanted():
    zeros = np.zeros
    block = {'conv': {'kernel': zeros((2, 1, 3, 2))}, 'norm': {'scale': zeros(2), 'bias': zeros(2)}}
    stats = {'norm': {'mean': zeros(2), 'var': zeros(2)}}
    return {
        'params': {
            'stage1': {'block1': block, 'block2': block},
            'head': {'kernel': zeros((6, 4)), 'bias': zeros(4)},
        },
        'batch_stats': {'stage1': {'block1': stats, 'block2': stats}},
    }


def test_arrays_come_back_bit_for_bit_and_counters_as_zeros():
    given = source()
    back = convert.to_arrays(convert.to_variables(given, KEY_MAP, wanted()), KEY_MAP, wanted())
    assert set(back) == set(given)
    for name, array in given.items():
        expected = np.zeros((), np.int64) if name.endswith('tracked') else array
        assert back[name].dtype == expected.dtype
        np.testing.assert_array_equal(back[name], expected)


def test_kernels_are_laid_out_rows_first():
    found = convert.to_variables(source(), KEY_MAP, wanted())['params']
    kernel = found['stage1']['block2']['conv']['kernel']
    assert kernel[1, 0, 2, 1] == source()['layer1.1.conv.weight'][1, 2, 1, 0]
    assert kernel.flags.c_contiguous
    assert kernel.dtype == np.float32
    # the place in the map that torch flattened channels first, (2, 3, 1)
    c, h, w = 1, 2, 0
    assert (
        found['head']['kernel'][h * 2 + w * 2 + c, 3] == source()['fc.weight'][3, c * 3 + h * 1 + w]
    )


def test_files_older_than_the_counter_are_read():
    given = {n: a for n, a in source().items() if not n.endswith('tracked')}
    assert (
        convert.to_variables(given, KEY_MAP, wanted())['batch_stats']['stage1']['block1']['norm'][
            'var'
        ][1]
        == 4
    )


@pytest.mark.parametrize('dtype', [np.float16, ml_dtypes.bfloat16])
def test_halves_are_widened(dtype):
    given = {**source(), 'fc.bias': np.array([1.5, 2, 3, 4], dtype)}
    bias = convert.to_variables(given, KEY_MAP, wanted())['params']['head']['bias']
    assert bias.dtype == np.float32
    assert bias[0] == 1.5


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        ({'fc.bias': None}, r'fc\.bias: missing, the network needs it \(params/head/bias\)'),
        ({'extra.weight': numbers(2)}, r'extra\.weight: unexpected'),
        (
            {'layer1.7.conv.weight': numbers(2, 3, 2, 1)},
            r'layer1\.7\.conv\.weight: unexpected, .* \(params/stage1/block8/conv/kernel\)',
        ),
        (
            {'fc.weight': numbers(4, 5)},
            r'fc\.weight: has the shape \(4, 5\), the network wants \(4, 6\)',
        ),
        ({'layer1.0.conv.weight': numbers(2, 6)}, r'wants 4 axes \(OIHW to HWIO\)'),
        ({'fc.bias': np.zeros(4)}, r'fc\.bias: holds float64 values'),
        ({'fc.bias': np.zeros(4, np.int32)}, r'fc\.bias: holds int32 values'),
        (
            {'fc.bias': np.array([0, np.nan, np.inf, 0], np.float32)},
            r'fc\.bias: 2 of 4 values are NaN or infinite',
        ),
    ],
)
def test_each_misfit_is_named(change, said):
    given = {n: a for n, a in {**source(), **change}.items() if a is not None}
    with pytest.raises(ValueError, match=said) as error:
        convert.to_variables(given, KEY_MAP, wanted(), weights='torchvision/x')
    assert str(error.value).startswith('1 mismatch between these arrays and torchvision/x:')


def test_another_networks_file_gives_one_sorted_list_of_twenty_and_the_count():
    given = {f'other.{i:02}.weight': numbers(1) for i in range(30)}
    with pytest.raises(ValueError) as error:
        convert.to_variables(given, KEY_MAP, wanted(), weights='torchvision/x')
    first, *lines = str(error.value).split('\n')
    # 30 unexpected, 12 leaves missing
    assert first == '42 mismatches between these arrays and torchvision/x:'
    assert lines[-1] == '  ... and 22 more'
    assert len(lines) == 21
    # missing and unexpected ones are sorted together
    assert lines[0].startswith('  fc.bias: missing')
    assert lines[:-1] == sorted(lines[:-1])


def test_ignored_names_are_left_unread():
    given = {**source(), 'extra.weight': np.array([np.nan])}
    assert convert.to_variables(given, KEY_MAP, wanted(), ignore=[r'extra\..*'])


def test_two_arrays_for_one_leaf_are_refused():
    key_map = KeyMap(flat([torch.dense('fc', 'head'), torch.dense('classifier', 'head')]))
    given = {'fc.weight': numbers(1, 1), 'classifier.weight': numbers(1, 1)}
    with pytest.raises(
        ValueError,
        match=r'classifier\.weight: gives params/head/kernel, which fc\.weight gives already',
    ):
        convert.to_variables(given, key_map, {'params': {'head': {'kernel': np.zeros((1, 1))}}})


def test_a_leaf_that_no_rule_speaks_of_is_named_in_both_directions():
    tree = {'params': {'stranger': {'kernel': np.zeros((1, 1))}}}
    with pytest.raises(
        ValueError, match='params/stranger/kernel: no rule says which array gives it'
    ):
        convert.to_variables({}, KEY_MAP, tree)
    with pytest.raises(
        ValueError, match='params/stranger/kernel: no rule says where the source keeps it'
    ):
        convert.to_arrays(tree, KEY_MAP, tree)


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        (lambda v: v['params']['head'].pop('bias'), 'params/head/bias: missing'),
        (
            lambda v: v['params']['head'].update(scale=numbers(4)),
            'params/head/scale: unexpected, the network has no such leaf',
        ),
        (
            lambda v: v['params']['head'].update(bias=numbers(4, 1)),
            r'params/head/bias: has the shape \(4, 1\), the network wants \(4,\)',
        ),
    ],
)
def test_variables_of_another_network_are_not_written(change, said):
    variables = convert.to_variables(source(), KEY_MAP, wanted())
    change(variables)
    with pytest.raises(
        ValueError, match=f'^1 mismatch between these arrays and torchvision/x:\n  {said}'
    ):
        convert.to_arrays(variables, KEY_MAP, wanted(), weights='torchvision/x')


def test_a_head_of_other_classes_is_written():
    variables = convert.to_variables(source(), KEY_MAP, wanted())
    variables['params']['head'] = {'kernel': numbers(6, 9), 'bias': numbers(9)}
    assert convert.to_arrays(variables, KEY_MAP, wanted())['fc.weight'].shape == (9, 6)


def test_keras_layers_go_there_and_back():
    key_map = KeyMap(
        flat(
            [
                keras.separable('sep{i}', 'unit{i}/depthwise', 'unit{i}/pointwise'),
                keras.depthwise('dw', 'dw'),
                keras.norm('bn', 'norm'),
                keras.constants('normalization', 'normalize'),
                keras.affine('scope/ln', 'ln'),
                keras.dense('predictions', 'head'),
                keras.leaf('scale', 'gamma', 'layer_scale', 'scale'),
                keras.conv('conv', 'conv'),
            ]
        )
    )
    given = {
        'sep1/depthwise_kernel': numbers(3, 2, 4, 1),
        'sep1/pointwise_kernel': numbers(1, 1, 4, 5),
        'dw/kernel': numbers(2, 2, 3, 1),
        'bn/beta': numbers(2),
        'bn/moving_mean': numbers(2),
        'bn/moving_variance': numbers(2),
        'normalization/mean': numbers(3),
        'normalization/variance': numbers(3),
        'normalization/count': np.array(0, np.int32),
        'scope/ln/gamma': numbers(2),
        'scope/ln/beta': numbers(2),
        'predictions/kernel': numbers(2, 3),
        'predictions/bias': numbers(3),
        'scale/gamma': numbers(4),
        'conv/kernel': numbers(3, 3, 1, 2),
    }
    tree = {
        'params': {
            'unit1': {
                'depthwise': {'kernel': np.zeros((3, 2, 1, 4))},
                'pointwise': {'kernel': np.zeros((1, 1, 4, 5))},
            },
            'dw': {'kernel': np.zeros((2, 2, 1, 3))},
            'norm': {'bias': np.zeros(2)},
            'ln': {'scale': np.zeros(2), 'bias': np.zeros(2)},
            'head': {'kernel': np.zeros((2, 3)), 'bias': np.zeros(3)},
            'layer_scale': {'scale': np.zeros(4)},
            'conv': {'kernel': np.zeros((3, 3, 1, 2))},
        },
        'batch_stats': {
            'norm': {'mean': np.zeros(2), 'var': np.zeros(2)},
            'normalize': {'mean': np.zeros(3), 'var': np.zeros(3)},
        },
    }
    found = convert.to_variables(given, key_map, tree)
    assert (
        found['params']['unit1']['depthwise']['kernel'][2, 1, 0, 3]
        == given['sep1/depthwise_kernel'][2, 1, 3, 0]
    )
    back = convert.to_arrays(found, key_map, tree)
    assert set(back) == set(given)
    for name, array in given.items():
        np.testing.assert_array_equal(back[name], array)


@pytest.mark.parametrize(
    ('layout', 'theirs', 'ours'),
    [
        (layouts.OIHW, (4, 3, 2, 5), (2, 5, 3, 4)),
        (layouts.OI, (4, 3), (3, 4)),
        (layouts.flattened(3, 2, 4), (5, 24), (24, 5)),
        (layouts.depthwise(2), (3, 2, 4, 2), (3, 2, 1, 8)),
        (layouts.OI_AS_CONV, (3, 4), (1, 1, 4, 3)),
        (layouts.IO_AS_CONV, (3, 4), (1, 1, 3, 4)),
        (layouts.OI11_AS_DENSE, (3, 4, 1, 1), (4, 3)),
        (layouts.CHANNELS_FIRST_SCALE, (4, 1, 1), (4,)),
        (layouts.HWIO, (3, 2, 4, 5), (3, 2, 4, 5)),
    ],
    ids=lambda v: getattr(v, 'name', None),
)
def test_each_layout_is_undone_exactly(layout, theirs, ours):
    array = numbers(*theirs)
    assert layout.rank == len(theirs)
    assert layout.to_ours(array).shape == ours
    np.testing.assert_array_equal(layout.to_source(layout.to_ours(array)), array)
