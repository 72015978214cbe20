#include "access_check.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdio>

#include "address_space.h"
#include "block.h"
#include "shared_races.h"

namespace emulation {

namespace {

// Ranges that were looked up last; most kernels walk over a few allocations.
constexpr size_t RECENT_RANGES = 4;
Region recent[RECENT_RANGES];
size_t nextRecent = 0;

const char* verb(Access access) {
    return access == Access::Write ? "writes" : access == Access::Read ? "reads" : "updates";
}

// Where the kernel made the access, in a form that addr2line takes.
struct CallSite {
    char text[300];
    explicit CallSite(void* caller) {
        Dl_info info;
        if (caller == nullptr || dladdr(caller, &info) == 0) {
            text[0] = 0;
            return;
        }
        size_t offset = static_cast<char*>(caller) - static_cast<char*>(info.dli_fbase);
        snprintf(text, sizeof text, " (%s+0x%zx)", info.dli_fname, offset);
    }
};

// An access that is to none of the ranges that were looked up last.
void checkElsewhere(uintptr_t address, size_t bytes, Access access, void* caller) {
    if (address - block.dynamicShared.start < MAX_SHARED_BYTES) {
        failLaunch(ILLEGAL_ADDRESS, "%s %zu bytes at byte %zu of %zu bytes of dynamic shared memory%s", verb(access),
                   bytes, static_cast<size_t>(address - block.dynamicShared.start), block.dynamicShared.bytes,
                   CallSite(caller).text);
    }
    if (const Allocation* allocation = addressSpace.find(address, bytes); allocation != nullptr) {
        recent[nextRecent] = {allocation->start, allocation->bytes};
        nextRecent = (nextRecent + 1) % RECENT_RANGES;
        return;
    }
    if (!isInImage(*block.kernel->library, address, bytes)) {
        failLaunch(ILLEGAL_ADDRESS, "%s %zu bytes at 0x%zx, %s%s", verb(access), bytes, static_cast<size_t>(address),
                   addressSpace.describe(address).c_str(), CallSite(caller).text);
    }
}

// Inlined into every function that the compiler calls: kernels do little else.
inline __attribute__((always_inline)) void check(const void* pointer, size_t bytes, Access access, void* caller) {
    if (block.current == nullptr) {
        return;  // the library is being loaded: its registrations are host code
    }
    auto address = reinterpret_cast<uintptr_t>(pointer);
    if (address - block.currentStack < STACK_BYTES) {
        return;
    }
    if (block.staticShared.contains(address, bytes)) {
        size_t offset = address - block.staticShared.start;
        if (access != Access::Read) {
            block.writtenFrom = std::min(block.writtenFrom, offset);
            block.writtenTo = std::max(block.writtenTo, offset + bytes);
        }
        checkRace(offset, bytes, access, caller);
        return;
    }
    if (block.dynamicShared.contains(address, bytes)) {
        checkRace(block.dynamicOffset() + (address - block.dynamicShared.start), bytes, access, caller);
        return;
    }
    for (const Region& region : recent) {
        if (region.contains(address, bytes)) {
            return;
        }
    }
    checkElsewhere(address, bytes, access, caller);
}

// An access by one instruction, which needs a multiple of its size as its address.
inline __attribute__((always_inline)) void checkAligned(
    const void* pointer, size_t bytes, Access access, void* caller) {
    if ((reinterpret_cast<uintptr_t>(pointer) & (bytes - 1)) != 0) {
        failLaunch(MISALIGNED_ADDRESS, "%s %zu bytes at 0x%zx, which is not a multiple of %zu%s", verb(access), bytes,
                   reinterpret_cast<size_t>(pointer), bytes, CallSite(caller).text);
    }
    check(pointer, bytes, access, caller);
}

}  // namespace

void forgetRanges() {
    for (Region& region : recent) {
        region = {};
    }
}

void atomicAccess(const void* pointer, size_t bytes) {
    checkAligned(pointer, bytes, Access::Atomic, __builtin_return_address(0));
}

void reportRace(size_t offset, Access access, const Thread& other, Access otherAccess, void* caller) {
    bool isDynamic = offset >= block.dynamicOffset();
    failLaunch(LAUNCH_FAILED, "%s byte %zu of %s shared memory, which thread (%u,%u,%u) %s since the last barrier%s",
               verb(access), isDynamic ? offset - block.dynamicOffset() : offset, isDynamic ? "dynamic" : "static",
               other.index.x, other.index.y, other.index.z,
               otherAccess == Access::Write ? "wrote" : otherAccess == Access::Read ? "read" : "updated",
               CallSite(caller).text);
}

}  // namespace emulation

// The names and meanings are the compiler's. A range has no alignment: it is a copy of an object.
extern "C" {
using emulation::Access;
void __tsan_init() {}
void __tsan_read1(void* p) { emulation::check(p, 1, Access::Read, __builtin_return_address(0)); }
void __tsan_read2(void* p) { emulation::checkAligned(p, 2, Access::Read, __builtin_return_address(0)); }
void __tsan_read4(void* p) { emulation::checkAligned(p, 4, Access::Read, __builtin_return_address(0)); }
void __tsan_read8(void* p) { emulation::checkAligned(p, 8, Access::Read, __builtin_return_address(0)); }
void __tsan_read16(void* p) { emulation::checkAligned(p, 16, Access::Read, __builtin_return_address(0)); }
void __tsan_write1(void* p) { emulation::check(p, 1, Access::Write, __builtin_return_address(0)); }
void __tsan_write2(void* p) { emulation::checkAligned(p, 2, Access::Write, __builtin_return_address(0)); }
void __tsan_write4(void* p) { emulation::checkAligned(p, 4, Access::Write, __builtin_return_address(0)); }
void __tsan_write8(void* p) { emulation::checkAligned(p, 8, Access::Write, __builtin_return_address(0)); }
void __tsan_write16(void* p) { emulation::checkAligned(p, 16, Access::Write, __builtin_return_address(0)); }
void __tsan_read_range(void* p, size_t bytes) {
    emulation::check(p, bytes, Access::Read, __builtin_return_address(0));
}
void __tsan_write_range(void* p, size_t bytes) {
    emulation::check(p, bytes, Access::Write, __builtin_return_address(0));
}
}
