"""YAML files that people write for a command; JSON is YAML too."""

from pathlib import Path
from typing import Any

import yaml

from deploy.local.errors import StackError
from deploy.local.files.text import read_text

BOOL = "tag:yaml.org,2002:bool"


class _Loader(yaml.SafeLoader):
    """Takes on, off, yes and no for the words that they are, as YAML 1.2 does: a member may be called `on`."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - what the base class calls it
        first: [(tag, form) for tag, form in forms if tag != BOOL or first in "tTfF"]
        for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def read_yaml(file: Path) -> Any:
    """Return what a YAML or JSON file holds; raises `StackError` where it is neither."""
    try:
        return yaml.load(read_text(file), _Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise StackError(f"{file} is not YAML or JSON: {str(error).splitlines()[0]}") from error
