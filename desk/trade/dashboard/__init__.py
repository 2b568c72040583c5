"""The local page of a running session: figures, ``/metrics``, and two buttons.

A snapshot (``desk.trade.snapshot``) comes in; a web page goes out, on this machine unless told otherwise.
"""

from desk.trade.dashboard.access import DashboardAddress, dashboard_address
from desk.trade.dashboard.opening import open_dashboard
from desk.trade.dashboard.server import Dashboard

__all__ = ["Dashboard", "DashboardAddress", "dashboard_address", "open_dashboard"]
