// Instructions that have a price and do nothing: calibration kernels are made of them. GM addresses
// are made up; buffer n begins at n << 40.
#pragma once

#include "ascsim/instruction.h"
#include "ascsim/machine.h"

namespace priced {

using ascsim::Pipe;
using ascsim::Site;

inline void issue(Pipe pipe, const char* name, const ascsim::Work& work, Site site) {
  ascsim::Instruction i(pipe, name, site);
  i.work = work;
  i.begin(ascsim::DType::kFp32);
}

constexpr uint64_t gm(uint64_t buffer, uint64_t offset = 0) { return (buffer << 40) + offset; }

struct Rows {
  uint32_t count = 1;
  uint32_t bytes = 0;
  int64_t stride = 0;
};

inline void move(ascsim::MovePath path, uint64_t address, Rows rows, bool nd2nz = false,
                 Site site = Site::here()) {
  ascsim::MoveWork work;
  work.path = path;
  work.nd2nz = nd2nz;
  work.runs = rows.count;
  work.run_bytes = rows.bytes;
  work.run_stride = rows.stride;
  work.gm_address = address;
  const bool out = path == ascsim::MovePath::kUbToGm || path == ascsim::MovePath::kL1ToGm;
  issue(out ? Pipe::kMte3 : Pipe::kMte2, "DataCopy", work, site);
}

inline void load(ascsim::Memory to, uint32_t bytes, Site site = Site::here()) {
  ascsim::LoadWork work;
  work.to = to;
  work.bytes = bytes;
  work.repeats = bytes / 512;
  issue(Pipe::kMte1, "LoadData", work, site);
}

struct Tile {
  uint32_t m, n, k;
};

inline void mmad(Tile tile, uint8_t unit_flag = 0, uint32_t l0c = 0, Site site = Site::here()) {
  ascsim::MmadWork work;
  work.m = static_cast<uint16_t>(tile.m);
  work.n = static_cast<uint16_t>(tile.n);
  work.k = static_cast<uint16_t>(tile.k);
  work.unit_flag = unit_flag;
  work.l0c_address = l0c;
  issue(Pipe::kM, "Mmad", work, site);
}

inline void fixpipe(Tile tile, uint8_t out_bytes, uint64_t address, int64_t stride,
                    uint8_t unit_flag = 0, uint32_t l0c = 0, Site site = Site::here()) {
  ascsim::FixpipeWork work;
  work.nz2nd = true;
  work.m = static_cast<uint16_t>(tile.m);
  work.n = static_cast<uint16_t>(tile.n);
  work.out_bytes = out_bytes;
  work.gm_address = address;
  work.runs = tile.m;
  work.run_bytes = tile.n * out_bytes;
  work.run_stride = stride;
  work.unit_flag = unit_flag;
  work.l0c_address = l0c;
  issue(Pipe::kFix, "Fixpipe", work, site);
}

inline ascsim::VectorOperand at(uint32_t address, uint16_t block = 1, uint16_t repeat = 8,
                                uint8_t blocks = 8) {
  ascsim::VectorOperand operand;
  operand.address = address;
  operand.block_stride = block;
  operand.repeat_stride = repeat;
  operand.present = true;
  operand.blocks = blocks;
  return operand;
}

inline void vector(ascsim::VectorClass op, const char* name, uint32_t repeats,
                   ascsim::VectorOperand dst, ascsim::VectorOperand src0,
                   ascsim::VectorOperand src1 = {}, Site site = Site::here()) {
  ascsim::VectorWork work;
  work.op = op;
  work.repeats = repeats;
  work.elements = repeats * 64;
  work.dst = dst;
  work.src0 = src0;
  work.src1 = src1;
  issue(Pipe::kV, name, work, site);
}

}  // namespace priced
