# Since 3.13 a Python tells whether its GIL is on. Only a free-threaded build can have it off.
import sys, sysconfig

can_be_off = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
is_on = getattr(sys, "_is_gil_enabled", lambda: True)()
assert hasattr(sys, "_is_gil_enabled") == (sys.version_info >= (3, 13))
assert is_on or can_be_off
assert not can_be_off or sys.version_info >= (3, 13)
