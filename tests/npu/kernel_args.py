"""The argument structs of core_kernels/src/npu/kernel_args.h, field by field."""

from __future__ import annotations

import ctypes

# Of task_order.
EARLY_BLOCKS, LATE_BLOCKS, SEQUENCES = range(3)

Int32, Int64, UInt64, Float = ctypes.c_int32, ctypes.c_int64, ctypes.c_uint64, ctypes.c_float


class TensorArg(ctypes.Structure):
    _fields_ = [
        ("address", UInt64),
        ("batch_stride", Int64),
        ("seq_stride", Int64),
        ("head_stride", Int64),
    ]


class PageArgs(ctypes.Structure):
    _fields_ = [
        ("table", UInt64),
        ("table_stride", Int64),
        ("table_width", Int32),
        ("page_size", Int32),
        ("page_count", Int32),
        ("reserved", Int32),
    ]


class LengthArgs(ctypes.Structure):
    _fields_ = [("cu_seqlens", UInt64), ("seqused", UInt64), ("limit", Int32), ("tokens", Int32)]


class CacheArgs(ctypes.Structure):
    _fields_ = [
        ("leftpad", UInt64),
        ("batch_idx", UInt64),
        ("cu_seqlens_new", UInt64),
        ("rows", Int32),
        ("capacity", Int32),
        ("new_limit", Int32),
        ("reserved", Int32),
    ]


class SinkArgs(ctypes.Structure):
    _fields_ = [("values", UInt64), ("stride", Int64), ("dtype", Int32), ("reserved", Int32)]


class AlibiArgs(ctypes.Structure):
    _fields_ = [
        ("slopes", UInt64),
        ("batch_stride", Int64),
        ("head_stride", Int64),
        ("by_column", Int32),
        ("reserved", Int32),
    ]


class DropoutArgs(ctypes.Structure):
    _fields_ = [
        ("seed", UInt64),
        ("offset", UInt64),
        ("probs", TensorArg),
        ("probs_rows", Int32),
        ("probs_columns", Int32),
        ("threshold", Int32),
        ("kept", Float),
    ]


class ScaleArgs(ctypes.Structure):
    _fields_ = [("values", UInt64), ("batch_stride", Int64), ("head_stride", Int64)]


class SplitArgs(ctypes.Structure):
    _fields_ = [
        ("out", TensorArg),
        ("lse", TensorArg),
        ("out_stride", Int64),
        ("lse_stride", Int64),
        ("count", Int32),
        ("reserved", Int32),
    ]


class TaskCut(ctypes.Structure):
    _fields_ = [
        ("rows", Int32),
        ("blocks", Int32),
        ("rest_rows", Int32),
    ]


class ForwardArgs(ctypes.Structure):
    _fields_ = [
        ("q", TensorArg),
        ("k", TensorArg),
        ("v", TensorArg),
        ("qv", TensorArg),
        ("out", TensorArg),
        ("lse", TensorArg),
        ("q_lengths", LengthArgs),
        ("kv_lengths", LengthArgs),
        ("pages", PageArgs),
        ("cache", CacheArgs),
        ("sink", SinkArgs),
        ("alibi", AlibiArgs),
        ("dropout", DropoutArgs),
        ("k_scale", ScaleArgs),
        ("v_scale", ScaleArgs),
        ("splits", SplitArgs),
        ("workspace", UInt64),
        ("status", UInt64),
        ("batch", Int32),
        ("q_heads", Int32),
        ("kv_heads", Int32),
        ("head_dim", Int32),
        ("value_dim", Int32),
        ("heads_per_row_group", Int32),
        ("window_left", Int32),
        ("window_right", Int32),
        ("scale", Float),
        ("softcap", Float),
        ("empty_lse", Float),
        ("attention_chunk", Int32),
        ("task_order", Int32),
        ("cut", TaskCut),
    ]


class CombineArgs(ctypes.Structure):
    _fields_ = [
        ("partials", SplitArgs),
        ("out", TensorArg),
        ("lse", TensorArg),
        ("q_lengths", LengthArgs),
        ("batch", Int32),
        ("q_heads", Int32),
        ("value_dim", Int32),
        ("empty_lse", Float),
    ]


class RotaryArgs(ctypes.Structure):
    _fields_ = [
        ("cos", UInt64),
        ("sin", UInt64),
        ("cos_stride", Int64),
        ("sin_stride", Int64),
        ("first_positions", UInt64),
        ("positions", Int32),
        ("dim", Int32),
        ("interleaved", Int32),
        ("same_q_position", Int32),
    ]


class AppendArgs(ctypes.Structure):
    _fields_ = [
        ("k_new", TensorArg),
        ("v_new", TensorArg),
        ("k", TensorArg),
        ("v", TensorArg),
        ("q", TensorArg),
        ("q_rotated", TensorArg),
        ("q_lengths", LengthArgs),
        ("kv_lengths", LengthArgs),
        ("pages", PageArgs),
        ("cache", CacheArgs),
        ("rotary", RotaryArgs),
        ("k_scale", ScaleArgs),
        ("v_scale", ScaleArgs),
        ("status", UInt64),
        ("batch", Int32),
        ("q_heads", Int32),
        ("kv_heads", Int32),
        ("head_dim", Int32),
        ("value_dim", Int32),
        ("reserved", Int32),
    ]
