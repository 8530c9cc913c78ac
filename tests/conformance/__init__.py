"""The tests of both wheels against the oracle; tests/test_flash_attn_npu*.py run them."""
