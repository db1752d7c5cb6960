"""Options: checked in one way, and the same defaults in Python, command line and HTTP endpoints."""

from __future__ import annotations

import inspect
import math
import subprocess
import sys

import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st

from barbershop_core import Studio, options
from barbershop_core.__main__ import parser
from barbershop_core.barbershop import options as hair
from barbershop_core.barbershop import transfer_presets
from barbershop_core.errors import BadRequest
from barbershop_core.operations import OPERATIONS
from barbershop_core.pie import options as rig
from barbershop_core.pie import pie_presets
from barbershop_core.styleclip import latent_optimization
from barbershop_core.styleclip import options as words

ALL = {f"{op.name} {option.name}": option for op in OPERATIONS.values() for option in op.options}
NUMBERS = [option for option in ALL.values() if option.kind is float]


def test_the_table_loads_nothing_heavy():
    code = "import sys, barbershop_core.jobs; print(sorted({'torch', 'numpy', 'PIL'} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ALL)
def test_every_default_is_allowed_and_explained(name):
    option = ALL[name]
    assert option.check(option.default) == option.default and option.help


@given(st.sampled_from(NUMBERS), st.floats(allow_nan=True, allow_infinity=True))
def test_numbers_in_range_pass_and_no_others(option, value):
    if not math.isnan(value) and option.low <= value <= option.high:
        assert option.check(value) == value
    else:
        with pytest.raises(BadRequest, match=option.name):
            option.check(value)


@pytest.mark.parametrize("bad", [True, "3", 0.5, math.nan, math.inf, -1])
def test_bad_seeds(bad):
    with pytest.raises(BadRequest, match="seed"):
        options.SEED.check(bad)
    assert options.SEED.check(3.0) == 3


def test_unknown_options_are_named():
    with pytest.raises(BadRequest, match="'colour'.*mode"):
        options.checked(hair.TRANSFER, {"colour": 1})
    assert options.checked(hair.TRANSFER, {"mode": None})["mode"] == "realistic"


def test_the_identity_weights_are_the_presets():
    found = {name: preset.identity for name, preset in latent_optimization.PRESETS.items()}
    assert found == words.IDENTITY_OF_PRESET


def test_every_preset_name_is_known_to_every_method():
    for lookup in (transfer_presets.transfer_preset, pie_presets.pie_preset):
        for name in options.PRESET_NAMES:
            assert lookup(name)
    assert set(options.PRESET_NAMES) == set(words.IDENTITY_OF_PRESET)


def test_the_facade_has_these_defaults():
    for name, listed in (("transfer", hair.TRANSFER), ("repose", rig.REPOSE)):
        parameters = inspect.signature(getattr(Studio, name)).parameters
        for option in listed:
            if option.name in parameters:
                assert parameters[option.name].default == option.default, (name, option.name)


ARGUMENTS = {
    "hair": (["hair", "me.jpg", "--shape", "you.jpg"], hair.TRANSFER),
    "text": (["text", "me.jpg", "curly hair"], words.EDIT_TEXT),
    "pose": (["pose", "me.jpg", "--yaw", "5"], rig.REPOSE),
}


@pytest.mark.parametrize("command", ARGUMENTS)
def test_the_command_line_has_these_defaults(command):
    """An argument that was not given is None (then the option's default counts) or that default itself."""
    arguments, listed = ARGUMENTS[command]
    found = vars(parser().parse_args(arguments))
    for option in listed:
        if option.name in found and option.name not in ("prompt", "yaw", "edits"):
            assert found[option.name] in (None, [], option.default), option.name


ENDPOINTS = {
    "transfer_hair": hair.TRANSFER,
    "swap_face": (options.PRESET, options.SEED),
    "edit_text": words.EDIT_TEXT,
    "direction_sliders": words.DIRECTION_SLIDERS,
    "repose": rig.REPOSE,
}


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_the_endpoints_have_these_defaults(endpoint):
    endpoints = pytest.importorskip("page.api.endpoints")
    parameters = inspect.signature(getattr(endpoints, endpoint)).parameters
    for option in ENDPOINTS[endpoint]:
        default = parameters[option.name].default if option.name in parameters else inspect.Parameter.empty
        if default is not inspect.Parameter.empty:
            nothing = option.default is None and default in ("", None, "pose, expression, light")
            assert nothing or default == option.default, option.name
