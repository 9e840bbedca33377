"""The peer of `benchmarks.inference`: a network of torchvision or timm in torch eager, one forward
pass for every line that it is sent.

    # id, batch, size, threads
    /path/to/python benchmarks/inference_torch.py torchvision/mobilenet_v2 8 224 2

Started by `benchmarks.inference` with an interpreter that has torch and torchvision; needs nothing
of cnnlab. It answers every line with the seconds and the processor seconds of one pass, after one
that is not measured.
"""

import sys
import time
import types


def build(id):
    """The network with its first, random weights."""
    import torch

    # a torchvision whose compiled kernels are for another torch can be imported without them;
    # classification networks use none
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

    # timm has the large one only; its class makes the mobile widths, with six cells a stage
    if name == 'nasnet_6at1056':
        return NASNetALarge(stem_size=32, num_features=1056)
    return timm.create_model(name)


def main():
    """Answers lines on standard input until there are no more."""
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
