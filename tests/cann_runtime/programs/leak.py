"""Allocates 777 bytes, and frees them or not."""

from __future__ import annotations

import sys

from cann_runtime.acl_calls import Acl

acl = Acl()
address = acl.malloc(777)
if sys.argv[1] == "free":
    acl.call("aclrtFree", address)
