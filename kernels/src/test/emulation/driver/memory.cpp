// Device memory and page-locked host memory.
//
//   device   | guard page | canary ... | allocation, to a multiple of 256 bytes | guard page |
//   host     | guard page | allocation, from the start of a page | ... canary   | guard page |
//
// Kernels and copies are checked to the byte before they touch anything (engine/access_check.h, copies.cpp). Guard
// pages and canaries are for what cannot be checked: code of the host. Fresh memory reads as NaN.
#include <algorithm>

#include "../engine/access_check.h"
#include "../engine/address_space.h"
#include "driver.h"
#include "pages.h"
#include "streams.h"

namespace emulation {

namespace {

constexpr size_t DEVICE_ALIGNMENT = 256;

// Whether the bytes around the allocation, on its own pages, are as they were.
bool isFrameIntact(const Allocation& allocation) {
    auto intact = [](uintptr_t from, uintptr_t to) {
        for (uintptr_t p = from; p < to; p++) {
            if (*reinterpret_cast<unsigned char*>(p) != FRESH_BYTE) {
                return false;
            }
        }
        return true;
    };
    uintptr_t end = allocation.start + allocation.bytes;
    uintptr_t firstPage = allocation.start / PAGE_BYTES * PAGE_BYTES;
    return intact(firstPage, allocation.start) && intact(end, roundUp(end, PAGE_BYTES));
}

MemoryUse useOf(MemoryKind kind) {
    MemoryUse use{0, 0};
    for (const auto& [start, allocation] : addressSpace.all()) {
        if (allocation.kind == kind) {
            use.allocations++;
            use.bytes += allocation.bytes;
        }
    }
    return use;
}

CUresult allocate(uintptr_t* result, size_t bytes, MemoryKind kind) {
    if (bytes == 0) {
        return INVALID_VALUE;
    }
    if (CUresult refused = refuseWhileCapturing(); refused != SUCCESS) {
        return refused;
    }
    bool isDevice = kind == MemoryKind::Device;
    if (CUresult injected = strike(isDevice ? "device_memory" : "host_memory"); injected != SUCCESS) {
        return injected;
    }
    if (isDevice && bytes > driver.options.memoryBytes - std::min(driver.options.memoryBytes, useOf(kind).bytes)) {
        return OUT_OF_MEMORY;
    }
    uintptr_t start = mapPages(bytes, kind);
    if (start == 0) {
        return OUT_OF_MEMORY;
    }
    if (isDevice) {
        start += roundUp(bytes, PAGE_BYTES) - roundUp(bytes, DEVICE_ALIGNMENT);
    }
    addressSpace.add({start, bytes, kind, true});
    *result = start;
    return SUCCESS;
}

CUresult release(uintptr_t start, MemoryKind kind) {
    const Allocation* found = addressSpace.findStart(start);
    if (found == nullptr || found->kind != kind || !found->owned) {
        return INVALID_VALUE;
    }
    if (CUresult refused = refuseWhileCapturing(); refused != SUCCESS) {
        return refused;
    }
    // Freeing waits for the device.
    hostWaitsForAll();
    Allocation allocation = *found;
    openDeviceMemory();
    if (!isFrameIntact(allocation)) {
        failContext(ILLEGAL_ADDRESS, "cuda emulation: something wrote just outside of an allocation of "
                                         + std::to_string(allocation.bytes) + " bytes");
    }
    addressSpace.remove(start);
    unmapPages(allocation);
    closeDeviceMemory();
    return driver.stickyResult;
}

}  // namespace

MemoryUse deviceMemoryUse() { return useOf(MemoryKind::Device); }
MemoryUse hostMemoryUse() { return useOf(MemoryKind::Host); }

void discardMemory() {
    while (!addressSpace.all().empty()) {
        Allocation allocation = addressSpace.all().begin()->second;
        addressSpace.remove(allocation.start);
        if (allocation.owned) {
            unmapPages(allocation);
        }
    }
}

}  // namespace emulation

using namespace emulation;

namespace {

// CUpointer_attribute
constexpr int POINTER_MEMORY_TYPE = 2, POINTER_DEVICE_POINTER = 3, POINTER_HOST_POINTER = 4;
constexpr int POINTER_RANGE_START = 11, POINTER_RANGE_BYTES = 12;
// CUmemorytype
constexpr unsigned MEMORY_TYPE_HOST = 1, MEMORY_TYPE_DEVICE = 2;

const Allocation* hostAllocation(const void* host) {
    const Allocation* found = addressSpace.find(reinterpret_cast<uintptr_t>(host), 1);
    return found != nullptr && found->kind == MemoryKind::Host ? found : nullptr;
}

}  // namespace

extern "C" {

CUresult cuMemAlloc_v2(CUdeviceptr* pointer, size_t bytes) {
    return call(Needs::Context, [&] {
        uintptr_t start = 0;
        CUresult result = allocate(&start, bytes, MemoryKind::Device);
        if (result == SUCCESS) {
            *pointer = start;
        }
        return result;
    });
}

CUresult cuMemFree_v2(CUdeviceptr pointer) {
    return call(Needs::Context,
                [&] { return pointer == 0 ? CUresult(SUCCESS) : release(pointer, MemoryKind::Device); });
}

CUresult cuMemGetInfo_v2(size_t* freeBytes, size_t* totalBytes) {
    return call(Needs::Context, [&] {
        *totalBytes = driver.options.memoryBytes;
        *freeBytes = driver.options.memoryBytes - std::min(driver.options.memoryBytes, deviceMemoryUse().bytes);
        return SUCCESS;
    });
}

CUresult cuMemHostAlloc(void** pointer, size_t bytes, unsigned) {
    return call(Needs::Context, [&] {
        uintptr_t start = 0;
        CUresult result = allocate(&start, bytes, MemoryKind::Host);
        if (result == SUCCESS) {
            *pointer = reinterpret_cast<void*>(start);
        }
        return result;
    });
}

CUresult cuMemAllocHost_v2(void** pointer, size_t bytes) { return cuMemHostAlloc(pointer, bytes, 0); }

CUresult cuMemFreeHost(void* pointer) {
    return call(Needs::Context, [&] { return release(reinterpret_cast<uintptr_t>(pointer), MemoryKind::Host); });
}

CUresult cuMemHostRegister_v2(void* pointer, size_t bytes, unsigned) {
    return call(Needs::Context, [&] {
        auto start = reinterpret_cast<uintptr_t>(pointer);
        if (pointer == nullptr || bytes == 0) {
            return CUresult(INVALID_VALUE);
        }
        for (const auto& [other, allocation] : addressSpace.all()) {
            if (start < other + allocation.bytes && other < start + bytes) {
                return CUresult(HOST_MEMORY_ALREADY_REGISTERED);
            }
        }
        if (CUresult injected = strike("host_memory"); injected != SUCCESS) {
            return injected;
        }
        addressSpace.add({start, bytes, MemoryKind::Host, false});
        return CUresult(SUCCESS);
    });
}

CUresult cuMemHostUnregister(void* pointer) {
    return call(Needs::Context, [&] {
        const Allocation* found = addressSpace.findStart(reinterpret_cast<uintptr_t>(pointer));
        if (found == nullptr || found->owned) {
            return CUresult(HOST_MEMORY_NOT_REGISTERED);
        }
        hostWaitsForAll();
        addressSpace.remove(found->start);
        return driver.stickyResult;
    });
}

CUresult cuMemHostGetDevicePointer_v2(CUdeviceptr* device, void* host, unsigned) {
    return call(Needs::Context, [&] {
        if (hostAllocation(host) == nullptr) {
            return CUresult(INVALID_VALUE);
        }
        // Unified addressing: one address on both sides.
        *device = reinterpret_cast<uintptr_t>(host);
        return CUresult(SUCCESS);
    });
}

CUresult cuPointerGetAttribute(void* value, int attribute, CUdeviceptr pointer) {
    return call(Needs::Context, [&] {
        const Allocation* found = addressSpace.find(pointer, 1);
        if (found == nullptr) {
            return CUresult(INVALID_VALUE);
        }
        bool isDevice = found->kind == MemoryKind::Device;
        switch (attribute) {
            case POINTER_MEMORY_TYPE:
                *static_cast<unsigned*>(value) = isDevice ? MEMORY_TYPE_DEVICE : MEMORY_TYPE_HOST;
                return CUresult(SUCCESS);
            case POINTER_HOST_POINTER:
                *static_cast<CUdeviceptr*>(value) = pointer;
                return CUresult(isDevice ? INVALID_VALUE : SUCCESS);
            case POINTER_DEVICE_POINTER:
                *static_cast<CUdeviceptr*>(value) = pointer;
                return CUresult(SUCCESS);
            case POINTER_RANGE_START:
                *static_cast<CUdeviceptr*>(value) = found->start;
                return CUresult(SUCCESS);
            case POINTER_RANGE_BYTES:
                *static_cast<size_t*>(value) = found->bytes;
                return CUresult(SUCCESS);
            default:
                return CUresult(NOT_SUPPORTED);
        }
    });
}

}  // extern "C"
