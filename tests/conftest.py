"""What holds for every test."""

import os
import signal

from hypothesis import HealthCheck, settings

# How long an example takes says how loaded the machine is, not whether the claim holds.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")
# Where nobody is there to read a new counterexample, the same examples are tried every time; everywhere else
# each run looks for new ones.
settings.register_profile("unattended", settings.get_profile("any machine"), derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("unattended")

# What a developer keeps in a config_local.py is not what the tests speak of.
os.environ["DESK_CONFIG"] = ""

# Started in the background of a script, processes and their children ignore SIGINT; several tests send it to
# children of theirs, as a user's Ctrl-C does.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
