"""Fills the Jinja2 templates of this package, and escapes all values not marked as safe."""

import functools
from typing import Any

import jinja2


@functools.cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader('cnnlab.report', 'templates'),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )


def render(template: str, **values: Any) -> str:
    """Returns the file `templates/<template>` filled with `values`.

    Raises:
      jinja2.UndefinedError: a value is missing.
    """
    return _environment().get_template(template).render(**values)
