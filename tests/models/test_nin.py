"""Network in Network and OverFeat: parameters summed over the layer tables of their sources."""

from tests.models import shapes


def convolution(inputs, outputs, kernel):
    return kernel * kernel * inputs * outputs + outputs


def test_the_cifar_net_has_the_sum_over_the_authors_definition():
    # NIN/cifar-10_def in github.com/mavenlin/cuda-convnet: inputs, outputs, kernel
    table = [
        (3, 192, 5),
        (192, 160, 1),
        (160, 96, 1),
        (96, 192, 5),
        (192, 192, 1),
        (192, 192, 1),
        (192, 192, 3),
        (192, 192, 1),
        (192, 10, 1),
    ]
    assert sorted(shapes.counts('cifar_nin').values()) == sorted(convolution(*row) for row in table)
    assert sum(shapes.counts('cifar_nin').values()) == 966_986


def test_the_imagenet_net_has_the_sum_over_the_converted_model():
    # examples/imagenet/models/nin.py in github.com/ethereon/caffe-tensorflow
    table = [
        (3, 96, 11),
        (96, 96, 1),
        (96, 96, 1),
        (96, 256, 5),
        (256, 256, 1),
        (256, 256, 1),
        (256, 384, 3),
        (384, 384, 1),
        (384, 384, 1),
        (384, 1024, 3),
        (1024, 1024, 1),
        (1024, 1000, 1),
    ]
    assert sorted(shapes.counts('nin').values()) == sorted(convolution(*row) for row in table)


def test_partial_windows_are_kept_so_that_the_last_maps_are_8_and_6_pixels_wide():
    assert shapes.outputs('cifar_nin')['cccp6'] == (8, 8, 10)
    assert shapes.outputs('nin')['cccp8'] == (6, 6, 1000)


def test_the_number_of_classes_is_that_of_the_last_maps():
    assert shapes.outputs('cifar_nin', num_classes=100)['cccp6'] == (8, 8, 100)


def test_overfeat_has_the_sum_over_its_layer_table():
    # torch7/imagenet_winners/overfeat.lua in github.com/soumith/convnet-benchmarks; a dense layer
    # is a convolution with a kernel of 1
    table = [
        (3, 96, 11),
        (96, 256, 5),
        (256, 512, 3),
        (512, 1024, 3),
        (1024, 1024, 3),
        (6 * 6 * 1024, 3072, 1),
        (3072, 4096, 1),
        (4096, 1000, 1),
    ]
    assert sorted(shapes.counts('overfeat_fast').values()) == sorted(
        convolution(*row) for row in table
    )


def test_overfeats_classifier_slides_over_larger_images():
    assert shapes.outputs('overfeat_fast')['pool5'] == (6, 6, 1024)
    larger = shapes.outputs('overfeat_fast', 295, 263, 3, dense=True)
    assert (
        larger['pool5'] == (8, 7, 1024)
        and larger['fc8'] == (3, 2, 1000)
        and larger['mean'] == (1000,)
    )
