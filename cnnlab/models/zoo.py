"""The families of the zoo: importing a module here registers its networks.

One line a family, in alphabetical order.
"""

import cnnlab.models.airbench  # noqa: F401
import cnnlab.models.alexnet  # noqa: F401
import cnnlab.models.alexnet_torchvision  # noqa: F401
import cnnlab.models.bit  # noqa: F401
import cnnlab.models.cifar_preresnet  # noqa: F401
import cnnlab.models.cifar_resnet  # noqa: F401
import cnnlab.models.cifar_senet  # noqa: F401
import cnnlab.models.convnetjs  # noqa: F401
import cnnlab.models.convnext  # noqa: F401
import cnnlab.models.densenet  # noqa: F401
import cnnlab.models.efficientnet  # noqa: F401
import cnnlab.models.googlenet  # noqa: F401
import cnnlab.models.inception_resnet_v2  # noqa: F401
import cnnlab.models.inception_v3  # noqa: F401
import cnnlab.models.inception_v4  # noqa: F401
import cnnlab.models.keras_convnets  # noqa: F401
import cnnlab.models.lenet  # noqa: F401
import cnnlab.models.linear  # noqa: F401
import cnnlab.models.mlp  # noqa: F401
import cnnlab.models.mnasnet  # noqa: F401
import cnnlab.models.mobilenet_v1  # noqa: F401
import cnnlab.models.mobilenet_v2  # noqa: F401
import cnnlab.models.mobilenet_v3  # noqa: F401
import cnnlab.models.nasnet  # noqa: F401
import cnnlab.models.nin  # noqa: F401
import cnnlab.models.overfeat  # noqa: F401
import cnnlab.models.pnasnet  # noqa: F401
import cnnlab.models.preresnet  # noqa: F401
import cnnlab.models.preresnet_keras  # noqa: F401
import cnnlab.models.regnet  # noqa: F401
import cnnlab.models.resnet  # noqa: F401
import cnnlab.models.resnet_d  # noqa: F401
import cnnlab.models.resnext  # noqa: F401
import cnnlab.models.senet  # noqa: F401
import cnnlab.models.shake_shake  # noqa: F401
import cnnlab.models.shufflenet_v2  # noqa: F401
import cnnlab.models.squeezenet  # noqa: F401
import cnnlab.models.stochastic_depth  # noqa: F401
import cnnlab.models.vgg  # noqa: F401
import cnnlab.models.wide_resnet  # noqa: F401
import cnnlab.models.xception  # noqa: F401
import cnnlab.models.zfnet  # noqa: F401
