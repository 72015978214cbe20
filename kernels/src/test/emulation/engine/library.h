// The loaded kernel library: its kernels, and where its memory lies.
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

// Code, constants and __device__ variables.
Region libraryImage();
// Static shared memory of the calling thread, which is the one that runs the blocks.
Region staticShared();

}  // namespace emulation
