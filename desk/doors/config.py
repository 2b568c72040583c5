"""What ``import config`` finds where the suite is installed: the settings file in force, under that name.

A service.  The file is ``config.py`` of the working directory or ``packaged_config.py`` beside this one, see
``desk.doors.settings_file``; this module gives its place to it.  Worker processes have the same working
directory, and so the same settings.
"""

import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader

from desk.doors import settings_file

_loader = SourceFileLoader(__name__, str(settings_file()))
if _spec := spec_from_loader(__name__, _loader):
    sys.modules[__name__] = module_from_spec(_spec)
    _loader.exec_module(sys.modules[__name__])
