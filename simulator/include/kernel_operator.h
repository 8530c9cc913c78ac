// What a kernel includes. Under bisheng this name is CANN's own header; on the host it is this one.
#pragma once

#include "ascendc/base.h"
#include "ascendc/data_copy.h"
#include "ascendc/data_copy_pad.h"
#include "ascendc/fill.h"
#include "ascendc/launch.h"
#include "ascendc/nd2nz.h"
#include "ascendc/scalar.h"
#include "ascendc/sync.h"
#include "ascendc/tensor.h"
#include "ascendc/tpipe.h"
#include "ascendc/vector_binary.h"
#include "ascendc/vector_cast.h"
#include "ascendc/vector_fill.h"
#include "ascendc/vector_reduce.h"
#include "ascendc/vector_scalar.h"
#include "ascendc/vector_unary.h"
