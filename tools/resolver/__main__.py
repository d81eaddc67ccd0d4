# SPDX-License-Identifier: Apache-2.0
"""python3 -m tools.resolver --config .config --output DIR: check the configuration, then write DIR/generated/..., the table
and the picture. Reports everything that is wrong and writes nothing then."""

import argparse
import os
import sys

from .board import read_board
from .check import check
from .emit_bundle import bundle_makefile, bundle_source
from .emit_c import management_source, partitions_source
from .emit_config import config_header
from .emit_kernel import kernel_makefile
from .errors import Errors
from .flow import flow_svg
from .kconfig import Config
from .layout import lay_out
from .limits import Limits
from .load_plan import load_plans
from .model import Reader
from .table import table


def write(path, text):
    """Writes a file unless it already says that: what depends on it is then not built again."""
    data = text if isinstance(text, bytes) else text.encode()
    try:
        with open(path, "rb") as handle:
            if handle.read() == data:
                return
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as handle:
        handle.write(data)


def stop_on(errors, name):
    if errors:
        print("\n".join(errors.lines), file=sys.stderr)
        sys.exit(f"{name}: {len(errors.lines)} error{'s' if len(errors.lines) > 1 else ''}; nothing is built")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", required=True)
    parser.add_argument("--output", required=True)
    parser.add_argument("--check", action="store_true", help="check only, write nothing")
    parser.add_argument("--plans", action="store_true", help="write the load plans, for the images that make has built")
    arguments = parser.parse_args()
    root = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
    output = os.path.abspath(arguments.output)

    errors = Errors()
    config = Config(root, arguments.config, errors)
    appliance = Reader(config, errors).appliance(read_board(config, root))
    lay_out(appliance)
    limits = Limits(root, appliance.board.arch)
    check(appliance, config, limits, root, errors)
    stop_on(errors, arguments.config)
    if arguments.check:
        return
    if arguments.plans:
        plans = list(load_plans(appliance, limits, root, output, errors))
        stop_on(errors, arguments.config)
        for path, content in plans:
            write(path, content)
        return
    text = table(appliance)
    for name, content in (
            ("generated/config.h", config_header(config)), ("generated/partitions.c", partitions_source(appliance)),
            ("generated/management.c", management_source(appliance)), ("generated/bundle.its", bundle_source(appliance, root, output)),
            ("generated/bundle.mk", bundle_makefile(appliance, config, root, output)),
            ("generated/kernel.mk", kernel_makefile(appliance)), ("partitions.txt", text), ("flow.svg", flow_svg(appliance))):
        write(os.path.join(output, name), content)
    print(text, end="")


main()
