#include "pages.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace emulation {

namespace {

constexpr int RESERVED = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
// Fresh memory is many mappings of one small file of ones, copied when written: a large slab costs what is used of it.
constexpr size_t PATTERN_BYTES = 2 << 20;
// Addresses only; enough for every allocation that a process of tests makes.
constexpr size_t DEVICE_ADDRESSES = size_t(1) << 40;

uintptr_t deviceStart = 0, nextDevice = 0;
bool isOpen = false;
struct sigaction previousAction;

[[noreturn]] void systemFailure(const char* what) {
    perror(what);
    abort();
}

int patternFile() {
    static int file = [] {
        int created = memfd_create("cuda emulation: fresh memory", 0);
        std::string ones(PATTERN_BYTES, static_cast<char>(FRESH_BYTE));
        if (created < 0 || write(created, ones.data(), ones.size()) != static_cast<ssize_t>(ones.size())) {
            systemFailure("cuda emulation: memfd_create");
        }
        return created;
    }();
    return file;
}

// Says what happened if it was ours, and leaves the rest to the handler that was there before: the JVM's, which uses
// this signal for purposes of its own too.
void onFault(int signal, siginfo_t* info, void* context) {
    auto address = reinterpret_cast<uintptr_t>(info->si_addr);
    if (address - deviceStart < DEVICE_ADDRESSES) {
        static const char LINE[] = "cuda emulation: host code touched device memory\n";
        [[maybe_unused]] ssize_t written = write(STDERR_FILENO, LINE, sizeof LINE - 1);
    }
    if ((previousAction.sa_flags & SA_SIGINFO) != 0) {
        previousAction.sa_sigaction(signal, info, context);
    } else {
        // Nobody was there: let the fault happen again, and end the process.
        sigaction(signal, &previousAction, nullptr);
    }
}

void reserveDeviceAddresses() {
    void* reserved = mmap(nullptr, DEVICE_ADDRESSES, PROT_NONE, RESERVED, -1, 0);
    if (reserved == MAP_FAILED) {
        systemFailure("cuda emulation: mmap");
    }
    deviceStart = nextDevice = reinterpret_cast<uintptr_t>(reserved);
    struct sigaction action = {};
    action.sa_sigaction = onFault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigaction(SIGSEGV, &action, &previousAction);
}

// Addresses for so many bytes between two pages; 0 if there are none.
uintptr_t reserveAddresses(size_t bytes, MemoryKind kind) {
    size_t total = bytes + 2 * PAGE_BYTES;
    if (kind == MemoryKind::Host) {
        void* reserved = mmap(nullptr, total, PROT_NONE, RESERVED, -1, 0);
        return reserved == MAP_FAILED ? 0 : reinterpret_cast<uintptr_t>(reserved) + PAGE_BYTES;
    }
    if (deviceStart == 0) {
        reserveDeviceAddresses();
    }
    if (total > DEVICE_ADDRESSES - (nextDevice - deviceStart)) {
        return 0;
    }
    uintptr_t start = nextDevice + PAGE_BYTES;
    nextDevice += total;
    return start;
}

uintptr_t firstPage(const Allocation& allocation) { return allocation.start / PAGE_BYTES * PAGE_BYTES; }

size_t pageBytes(const Allocation& allocation) {
    return roundUp(allocation.start + allocation.bytes, PAGE_BYTES) - firstPage(allocation);
}

size_t deviceBytes() {
    size_t bytes = 0;
    for (const auto& [start, allocation] : addressSpace.all()) {
        bytes += allocation.kind == MemoryKind::Device ? allocation.bytes : 0;
    }
    return bytes;
}

void protectDeviceMemory(int protection) {
    for (const auto& [start, allocation] : addressSpace.all()) {
        if (allocation.kind == MemoryKind::Device) {
            mprotect(reinterpret_cast<void*>(firstPage(allocation)), pageBytes(allocation), protection);
        }
    }
}

}  // namespace

uintptr_t mapPages(size_t bytes, MemoryKind kind) {
    size_t rounded = roundUp(bytes, PAGE_BYTES);
    uintptr_t start = reserveAddresses(rounded, kind);
    int protection = kind == MemoryKind::Host || isOpen ? PROT_READ | PROT_WRITE : PROT_NONE;
    for (size_t mapped = 0; start != 0 && mapped < rounded; mapped += PATTERN_BYTES) {
        size_t piece = std::min(PATTERN_BYTES, rounded - mapped);
        void* at = reinterpret_cast<void*>(start + mapped);
        if (mmap(at, piece, protection, MAP_PRIVATE | MAP_FIXED, patternFile(), 0) == MAP_FAILED) {
            systemFailure("cuda emulation: mmap");
        }
    }
    return start;
}

void unmapPages(const Allocation& allocation) {
    void* start = reinterpret_cast<void*>(firstPage(allocation));
    mmap(start, pageBytes(allocation), PROT_NONE, RESERVED | MAP_FIXED, -1, 0);
}

void openDeviceMemory() {
    if (!isOpen) {
        protectDeviceMemory(PROT_READ | PROT_WRITE);
        isOpen = true;
    }
}

void closeDeviceMemory() {
    if (isOpen && deviceBytes() <= MAX_HIDDEN_BYTES) {
        protectDeviceMemory(PROT_NONE);
        isOpen = false;
    }
}

}  // namespace emulation
