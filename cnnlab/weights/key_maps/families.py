"""The families whose weights are known: importing a module here registers its ids.

One line a family, in alphabetical order.
"""

import cnnlab.weights.key_maps.alexnet  # noqa: F401
import cnnlab.weights.key_maps.cifar_resnet  # noqa: F401
import cnnlab.weights.key_maps.convnext  # noqa: F401
import cnnlab.weights.key_maps.densenet  # noqa: F401
import cnnlab.weights.key_maps.efficientnet  # noqa: F401
import cnnlab.weights.key_maps.googlenet  # noqa: F401
import cnnlab.weights.key_maps.inception_resnet_v2  # noqa: F401
import cnnlab.weights.key_maps.inception_v3  # noqa: F401
import cnnlab.weights.key_maps.inception_v4  # noqa: F401
import cnnlab.weights.key_maps.mnasnet  # noqa: F401
import cnnlab.weights.key_maps.mobilenet_v1  # noqa: F401
import cnnlab.weights.key_maps.mobilenet_v2  # noqa: F401
import cnnlab.weights.key_maps.mobilenet_v3  # noqa: F401
import cnnlab.weights.key_maps.nasnet  # noqa: F401
import cnnlab.weights.key_maps.pnasnet  # noqa: F401
import cnnlab.weights.key_maps.preresnet  # noqa: F401
import cnnlab.weights.key_maps.regnet  # noqa: F401
import cnnlab.weights.key_maps.resnet  # noqa: F401
import cnnlab.weights.key_maps.senet  # noqa: F401
import cnnlab.weights.key_maps.shufflenet_v2  # noqa: F401
import cnnlab.weights.key_maps.squeezenet  # noqa: F401
import cnnlab.weights.key_maps.vgg  # noqa: F401
import cnnlab.weights.key_maps.xception  # noqa: F401
