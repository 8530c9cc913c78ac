#pragma once

// Where a token of a paged cache lives.

#include <cstdint>

#include "problem/host_device.h"
#include "problem/mutation.h"

namespace fa {

// `count` tokens that follow each other inside one page.
struct PageRun {
  int64_t page = 0;
  int64_t slot = 0;
  int64_t count = 0;
};

// `Table`: pages of one batch entry, by operator[].
template <typename Table>
struct BasicPageMap {
  Table table;
  int64_t page_size;

  // The longest run that starts at `token` and holds at most `limit` tokens.
  FA_HOST_DEVICE PageRun run(int64_t token, int64_t limit) const {
    int64_t index = token / page_size;
    int64_t slot = token - index * page_size;
    int64_t count = page_size - slot < limit ? page_size - slot : limit;
    int64_t page = table[FA_MUTATE("drop_page", index, index > 0 ? index - 1 : index)];
    return {page, slot, count};
  }
};

using PageMap = BasicPageMap<const int32_t*>;

}  // namespace fa
