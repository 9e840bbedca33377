"""Several forms of one computation, measured in turns, so that what else a machine does disturbs
all of them alike.
"""

import statistics
import time

import jax


def measured(calls, arrays, repeats):
    """{form: (median ms, least processor seconds)} of compiled calls made in turns, and the seconds
    that each took to compile.
    """
    compiled, seconds, times = {}, {}, {}
    for name, call in calls.items():
        start = time.perf_counter()
        compiled[name] = jax.jit(call).lower(*arrays).compile()
        seconds[name] = time.perf_counter() - start
        jax.block_until_ready(compiled[name](*arrays))
    for _ in range(repeats):
        for name, call in compiled.items():
            wall, processor = time.perf_counter(), time.process_time()
            jax.block_until_ready(call(*arrays))
            times.setdefault(name, []).append(
                (time.perf_counter() - wall, time.process_time() - processor)
            )
    return {
        n: (1e3 * statistics.median(w for w, _ in t), min(p for _, p in t))
        for n, t in times.items()
    }, seconds
