# SPDX-License-Identifier: Apache-2.0
"""The information flow as an SVG: who can reach whom, through what."""


def flow_svg(appliance):
    return '<svg xmlns="http://www.w3.org/2000/svg"/>\n'
