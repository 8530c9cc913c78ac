// Calibration of single units: vector and cube instructions in a row, moves of a matrix.
#include "kernel_operator.h"
#include "priced.h"

using namespace AscendC;
using priced::at;

// `count` times Add of 4096 floats, each waited for (example bank_conflict_ub).
extern "C" __global__ __aicore__ void timing_add(uint32_t src0, uint32_t src1, uint32_t dst,
                                                 uint32_t block0, uint32_t repeat0,
                                                 uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    priced::vector(ascsim::VectorClass::kAddSub, "Add", 64, at(dst),
                   at(src0, static_cast<uint16_t>(block0), static_cast<uint16_t>(repeat0)),
                   at(src1));
    PipeBarrier<PIPE_V>();
  }
}

ASC_KERNEL(timing_add, ascsim::KernelKind::kVector);

// K steps of one matrix product (page UnitFlag).
extern "C" __global__ __aicore__ void timing_mmad(uint32_t m, uint32_t n, uint32_t k,
                                                  uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) priced::mmad({m, n, k});
}

ASC_KERNEL(timing_mmad, ascsim::KernelKind::kCube);

// A matrix of `rows` rows split over the cores, moved in tiles (example data_copy). `parts` splits
// the columns, and each part is moved `times` times before the next.
extern "C" __global__ __aicore__ void timing_copy(uint32_t to_l1, uint32_t rows, uint32_t row_bytes,
                                                  uint32_t tile_rows, uint32_t tile_bytes,
                                                  uint32_t parts, uint32_t times) {
  const uint32_t mine = rows / static_cast<uint32_t>(GetBlockNum());
  const uint64_t first = static_cast<uint64_t>(GetBlockIdx()) * mine;
  const uint32_t part_bytes = (row_bytes + parts - 1) / parts;
  for (uint32_t part = 0; part < parts; ++part) {
    for (uint32_t time = 0; time < times; ++time) {
      for (uint32_t row = 0; row < mine; row += tile_rows) {
        for (uint32_t column = 0; column < part_bytes; column += tile_bytes) {
          const uint32_t begin = part * part_bytes + column;
          priced::Rows tile{tile_rows, std::min(tile_bytes, row_bytes - begin), row_bytes};
          priced::move(to_l1 != 0 ? ascsim::MovePath::kGmToL1 : ascsim::MovePath::kGmToUb,
                       priced::gm(1, (first + row) * row_bytes + begin), tile, to_l1 != 0);
        }
      }
    }
  }
}

ASC_KERNEL(timing_copy, ascsim::KernelKind::kVector);

extern "C" __global__ __aicore__ void timing_copy_l1(uint32_t rows, uint32_t row_bytes,
                                                     uint32_t tile_rows, uint32_t tile_bytes,
                                                     uint32_t parts, uint32_t times) {
  timing_copy(1, rows, row_bytes, tile_rows, tile_bytes, parts, times);
}

ASC_KERNEL(timing_copy_l1, ascsim::KernelKind::kCube);
