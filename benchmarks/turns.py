"""Measures several forms of a computation in turns, so that other work on the machine disturbs all
of them equally.
"""

import statistics
import time

import jax


def measured(calls, arrays, repeats):
    """Compiles and measures several functions in turns.

    Args:
      calls: {form: function}.
      arrays: arguments of each function.
      repeats: calls of each.

    Returns:
      {form: (median milliseconds, least processor seconds)} and {form: seconds to compile}.
    """
    compiled, compile_seconds, times = {}, {}, {}
    for name, call in calls.items():
        start = time.perf_counter()
        compiled[name] = jax.jit(call).lower(*arrays).compile()
        compile_seconds[name] = time.perf_counter() - start
        jax.block_until_ready(compiled[name](*arrays))
    for _ in range(repeats):
        for name, call in compiled.items():
            wall, processor = time.perf_counter(), time.process_time()
            jax.block_until_ready(call(*arrays))
            times.setdefault(name, []).append(
                (time.perf_counter() - wall, time.process_time() - processor)
            )
    measurements = {
        name: (1e3 * statistics.median(wall for wall, _ in pairs), min(cpu for _, cpu in pairs))
        for name, pairs in times.items()
    }
    return measurements, compile_seconds
