"""Prints what the environment configured."""

from __future__ import annotations

from ctypes import c_char_p

from cann_runtime.acl_calls import Acl

acl = Acl()
count = acl.number("aclrtGetDeviceCount")
acl.library.aclrtGetSocName.restype = c_char_p
soc = acl.library.aclrtGetSocName().decode()
cores, vector = (acl.number("aclrtGetDeviceInfo", 0, attribute) for attribute in (101, 201))
acl.call("aclrtSetDevice", count - 1)
print(count, soc, "cores", cores, "vector", vector, "current", acl.number("aclrtGetDevice"))
