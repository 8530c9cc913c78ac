// Chrome trace JSON of a replay.
#pragma once

#include <string>
#include <vector>

#include "timing/replay.h"

namespace ascsim {

std::string trace_json(const Profile& profile, const std::vector<const Core*>& cores,
                       const std::vector<Slice>& slices);

}  // namespace ascsim
