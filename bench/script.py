# SPDX-License-Identifier: Apache-2.0
"""For tests: a program of this folder as a module, without being run."""
import importlib.machinery
import importlib.util
from pathlib import Path


def load(name):
    path = str(Path(__file__).parent / name)
    loader = importlib.machinery.SourceFileLoader(f"bench_{name}", path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module
