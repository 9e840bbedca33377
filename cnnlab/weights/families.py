"""The families whose weights are known: importing a module here registers its ids.

One line a family, in alphabetical order.
"""

import cnnlab.weights.alexnet  # noqa: F401
import cnnlab.weights.cifar_resnet  # noqa: F401
import cnnlab.weights.convnext  # noqa: F401
import cnnlab.weights.densenet  # noqa: F401
import cnnlab.weights.efficientnet  # noqa: F401
import cnnlab.weights.googlenet  # noqa: F401
import cnnlab.weights.inception_resnet_v2  # noqa: F401
import cnnlab.weights.inception_v3  # noqa: F401
import cnnlab.weights.inception_v4  # noqa: F401
import cnnlab.weights.mnasnet  # noqa: F401
import cnnlab.weights.mobilenet_v1  # noqa: F401
import cnnlab.weights.mobilenet_v2  # noqa: F401
import cnnlab.weights.mobilenet_v3  # noqa: F401
import cnnlab.weights.nasnet  # noqa: F401
import cnnlab.weights.pnasnet  # noqa: F401
import cnnlab.weights.preresnet  # noqa: F401
import cnnlab.weights.regnet  # noqa: F401
import cnnlab.weights.resnet  # noqa: F401
import cnnlab.weights.senet  # noqa: F401
import cnnlab.weights.shufflenet_v2  # noqa: F401
import cnnlab.weights.squeezenet  # noqa: F401
import cnnlab.weights.vgg  # noqa: F401
import cnnlab.weights.xception  # noqa: F401
