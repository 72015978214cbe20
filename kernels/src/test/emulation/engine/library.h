// Loaded kernel libraries: their kernels, and where their memory lies.
#pragma once

#include <map>
#include <optional>

#include "kernel.h"

namespace emulation {

struct Region {
    uintptr_t start = 0;
    size_t bytes = 0;
    bool contains(uintptr_t address, size_t size) const {
        return address - start < bytes && size <= bytes - (address - start);
    }
};

// Loads a kernel library and makes its kernels the ones that modules find; the message of a failure, or nothing.
std::optional<std::string> loadKernels(const std::string& path);
// Loads the library beside this one if none was loaded yet.
std::optional<std::string> loadDefaultKernels();
// Modules that are loaded from now on find the default kernels again.
void forgetChosenKernels();

const Kernel* findKernel(const std::string& name);
// A __device__ or __constant__ variable of the kernel library; bytes is 0 where there is none.
Region findGlobal(const char* name);

// Whether a range lies in the code, constants or __device__ variables of a library.
bool isInImage(uintptr_t address, size_t bytes);
bool isInImage(const Library& library, uintptr_t address, size_t bytes);
// Static shared memory of the calling thread, which is the one that runs the blocks.
Region staticShared(const Library& library);

}  // namespace emulation
