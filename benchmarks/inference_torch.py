"""The torch side of `benchmarks.inference`: forward passes of a torchvision or timm network.

    # id, batch, size, threads
    /path/to/python benchmarks/inference_torch.py torchvision/mobilenet_v2 8 224 2

`benchmarks.inference` starts it with an interpreter that has torch and torchvision; cnnlab is not
needed. After one warm-up pass, it answers each line on standard input with the seconds and the
processor seconds of one pass.
"""

import sys
import time
import types


def build(id):
    """Builds a network with random weights."""
    import torch

    # with this stub torchvision can be imported even if its compiled kernels are for another torch;
    # classification networks do not use them
    sys.modules.setdefault(
        'torchvision._meta_registrations', types.ModuleType('torchvision._meta_registrations')
    )
    torch.manual_seed(0)
    source, _, name = id.partition('/')
    if source == 'torchvision':
        import torchvision

        return torchvision.models.get_model(name)
    import timm
    from timm.models.nasnet import NASNetALarge

    # timm registers only the large network; its class also makes the mobile widths, with six cells
    # per stage
    if name == 'nasnet_6at1056':
        return NASNetALarge(stem_size=32, num_features=1056)
    return timm.create_model(name)


def main():
    """Answers the lines on standard input."""
    import torch

    id, batch, size, threads = sys.argv[1], *map(int, sys.argv[2:5])
    torch.set_num_threads(threads)
    net = build(id).eval()
    images = torch.zeros(batch, 3, size, size)
    with torch.inference_mode():
        net(images)
        print(f'torch {torch.__version__}', flush=True)
        for _ in sys.stdin:
            wall, processor = time.perf_counter(), time.process_time()
            net(images)
            print(time.perf_counter() - wall, time.process_time() - processor, flush=True)


if __name__ == '__main__':
    main()
