// A kernel as the engine knows it.
#pragma once

#include <string>
#include <vector>

#include "../device/registration.h"

namespace emulation {

struct Library;

struct Kernel {
    const Library* library;
    std::string name;
    AnyFunction function;
    Invoke invoke;
    std::vector<Parameter> parameters;
    size_t parameterBytes;
    unsigned maxThreads;
};

}  // namespace emulation
