// Work -> cycles.
#pragma once

#include "ascsim/observer.h"
#include "timing/banks.h"
#include "timing/profile.h"

namespace ascsim {

// The pipe is busy for `occupancy`; results are there `latency` later. Moves to and from GM have
// their occupancy from the fluid model.
struct Price {
  double occupancy = 0;
  double latency = 0;
  bool gm = false;
  double port_rate = 0;     // GM: bytes per cycle of the core's port
  double least_cycles = 0;  // GM
};

class PriceList {
 public:
  explicit PriceList(const Profile& profile);

  Price price(const Work& work);

 private:
  Price of(const ScalarWork& work) const;
  Price of(const VectorWork& work);
  Price of(const MmadWork& work) const;
  Price of(const LoadWork& work) const;
  Price of(const MoveWork& work) const;
  Price of(const FixpipeWork& work) const;

  const Profile& profile_;
  BankModel banks_;
};

}  // namespace ascsim
