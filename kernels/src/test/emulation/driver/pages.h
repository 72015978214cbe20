// Pages for allocations, with inaccessible ones around them. Device memory comes from one reserved range of
// addresses; while there is little of it, it is closed from the moment that the host has waited for the device until
// the device works again: host code that follows a device pointer ends the process, as it would with a real device,
// and one line says so. Addresses are never used again.
#pragma once

#include <cstddef>
#include <cstdint>

#include "../engine/address_space.h"

namespace emulation {

constexpr size_t PAGE_BYTES = 4096;
constexpr unsigned char FRESH_BYTE = 0xFF;  // NaN for every floating-point type, -1 for int

constexpr size_t roundUp(size_t bytes, size_t multiple) { return (bytes + multiple - 1) / multiple * multiple; }

// Fresh pages for so many bytes; 0 if there are none.
uintptr_t mapPages(size_t bytes, MemoryKind kind);
// Gives the pages of an allocation back.
void unmapPages(const Allocation& allocation);

// Changing the protection costs some 50 microseconds per MiB in use; beyond this it is left open.
constexpr size_t MAX_HIDDEN_BYTES = 512 << 10;

// Before anything of the device's is done, and when the host has waited for it.
void openDeviceMemory();
void closeDeviceMemory();

}  // namespace emulation
