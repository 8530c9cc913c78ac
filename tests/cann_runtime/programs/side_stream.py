"""Passes a buffer to a side stream and back, with all synchronisations or all but one.

    side_stream.py ordered|produced|consumed|host REPETITIONS

`produced`: the side stream does not wait for the main stream; `consumed`: the main stream
overwrites the buffer without waiting for the side stream; `host`: the host reads without waiting.
"""

from __future__ import annotations

import sys

from cann_runtime.acl_calls import DEVICE_TO_DEVICE, Acl

BYTES = 1 << 12
omitted, repetitions = sys.argv[1], int(sys.argv[2])
acl = Acl()


def repetition(number: int) -> bool:
    """Whether the result is right."""
    main, side = acl.stream(), acl.stream()
    produced, consumed = acl.event(), acl.event()
    buffer, result = acl.malloc(BYTES), acl.malloc(BYTES)
    value = number % 200 + 1
    acl.fill(buffer, BYTES, value, main)
    acl.call("aclrtRecordEvent", produced, main)
    if omitted != "produced":
        acl.call("aclrtStreamWaitEvent", side, produced)
    acl.call("aclrtMemcpyAsync", result, BYTES, buffer, BYTES, DEVICE_TO_DEVICE, side)
    acl.call("aclrtRecordEvent", consumed, side)
    if omitted != "consumed":
        acl.call("aclrtStreamWaitEvent", main, consumed)
    acl.fill(buffer, BYTES, 0, main)
    if omitted == "consumed":
        acl.synchronize(main)
    if omitted != "host":
        acl.synchronize(side)
    right = bool((acl.to_host(result, BYTES) == value).all())
    for stream in (side, main):
        acl.call("aclrtDestroyStream", stream)
    for address in (buffer, result):
        acl.call("aclrtFree", address)
    return right


wrong = sum(not repetition(number) for number in range(repetitions))
print(f"wrong: {wrong} of {repetitions}")
