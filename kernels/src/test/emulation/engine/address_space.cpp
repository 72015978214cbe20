#include "address_space.h"

#include "access_check.h"

namespace emulation {

AddressSpace addressSpace;

void AddressSpace::add(const Allocation& allocation) { allocations.emplace(allocation.start, allocation); }

void AddressSpace::remove(uintptr_t start) {
    allocations.erase(start);
    forgetRanges();
}

const Allocation* AddressSpace::find(uintptr_t address, size_t bytes) const {
    auto after = allocations.upper_bound(address);
    if (after == allocations.begin()) {
        return nullptr;
    }
    const Allocation& candidate = std::prev(after)->second;
    size_t offset = address - candidate.start;
    return offset < candidate.bytes && bytes <= candidate.bytes - offset ? &candidate : nullptr;
}

const Allocation* AddressSpace::findStart(uintptr_t start) const {
    auto found = allocations.find(start);
    return found == allocations.end() ? nullptr : &found->second;
}

std::string AddressSpace::describe(uintptr_t address) const {
    // Further away than this, an address is not an overrun of the neighbour but simply wrong.
    constexpr size_t NEAR_BYTES = 1 << 20;
    auto sizeOf = [](const Allocation& a) {
        return std::to_string(a.bytes) + " bytes of " + (a.kind == MemoryKind::Device ? "device" : "host") + " memory";
    };
    auto after = allocations.upper_bound(address);
    if (after != allocations.begin()) {
        const Allocation& before = std::prev(after)->second;
        size_t offset = address - before.start;
        if (offset < before.bytes) {
            return "at byte " + std::to_string(offset) + " of " + sizeOf(before);
        }
        if (offset - before.bytes < NEAR_BYTES) {
            return std::to_string(offset - before.bytes) + " bytes past the end of " + sizeOf(before);
        }
    }
    if (after != allocations.end() && after->second.start - address < NEAR_BYTES) {
        return std::to_string(after->second.start - address) + " bytes before " + sizeOf(after->second);
    }
    return "in no allocation";
}

}  // namespace emulation
