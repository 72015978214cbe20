// What kernels and copies may touch: device allocations and page-locked host memory, to the byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

namespace emulation {

enum class MemoryKind { Device, Host };

struct Allocation {
    uintptr_t start;
    size_t bytes;
    MemoryKind kind;
    // False for memory of the caller's that was only registered.
    bool owned;
};

class AddressSpace {
  public:
    void add(const Allocation& allocation);
    void remove(uintptr_t start);
    // The allocation that holds the whole range, or null.
    const Allocation* find(uintptr_t address, size_t bytes) const;
    const Allocation* findStart(uintptr_t start) const;
    // Where an address lies, in words: for a message about one that is in no allocation.
    std::string describe(uintptr_t address) const;
    const std::map<uintptr_t, Allocation>& all() const { return allocations; }

  private:
    std::map<uintptr_t, Allocation> allocations;
};

extern AddressSpace addressSpace;

}  // namespace emulation
