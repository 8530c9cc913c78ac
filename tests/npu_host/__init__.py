"""The NPU back end through the public functions of both wheels, on the simulator."""
