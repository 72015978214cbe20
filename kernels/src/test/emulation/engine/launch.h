// Runs one kernel launch to its end.
#pragma once

#include <string>

#include "block.h"

namespace emulation {

struct LaunchFailure {
    int code = 0;
    std::string line;
};

// Runs all blocks; code 0 if nothing went wrong. Seed 0 keeps the natural order of blocks, warps and lanes.
LaunchFailure runLaunch(const Kernel& kernel, const LaunchShape& shape, const char* arguments, uint64_t seed);

}  // namespace emulation
