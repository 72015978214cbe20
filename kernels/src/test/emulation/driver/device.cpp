// Initialisation, the one device, and contexts.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>
#include <vector>

#include "../engine/block.h"
#include "driver.h"
#include "streams.h"

namespace emulation {

Driver driver;

namespace {

// 12.8 is the first with cuMemcpyBatchAsync.
constexpr int DRIVER_VERSION = 12080;
constexpr CUdevice ONLY_DEVICE = 0;
constexpr int COMPUTE_CAPABILITY_MAJOR = 9, COMPUTE_CAPABILITY_MINOR = 0;
constexpr int DEFAULT_SHARED_BYTES = 48 << 10;

char primary;
std::set<Handle> contexts;
thread_local std::vector<Handle> contextStack;

const char* environment(const char* name) {
    const char* value = getenv(name);
    return value == nullptr || *value == 0 ? nullptr : value;
}

unsigned long long number(const char* name, unsigned long long absent) {
    const char* value = environment(name);
    if (value == nullptr) {
        return absent;
    }
    char* end;
    unsigned long long parsed = strtoull(value, &end, 10);
    if (*end != 0) {
        fprintf(stderr, "cuda emulation: %s=%s is not a number\n", name, value);
        abort();
    }
    return parsed;
}

// CUdevice_attribute; what is not listed is 0: absent.
int attributeOf(int attribute) {
    switch (attribute) {
        case 1:  // threads per block
        case 2:  // block dimension x
        case 3:  // block dimension y
            return MAX_THREADS;
        case 4:  // block dimension z
            return 64;
        case 5:  // grid dimension x
            return 0x7fffffff;
        case 6:  // grid dimension y
        case 7:  // grid dimension z
            return 65535;
        case 8:  // shared memory per block, bytes
            return DEFAULT_SHARED_BYTES;
        case 10:  // warp size
            return WARP_LANES;
        case 12:  // registers per block
            return 65536;
        case 16:  // multiprocessors
            return 4;
        case 19:  // can map host memory
        case 31:  // concurrent kernels
        case 41:  // unified addressing
        case 90:  // concurrent host register
            return 1;
        case 38:  // L2 cache, bytes
            return 32 << 20;
        case 39:  // threads per multiprocessor
            return 2048;
        case 40:  // copy engines
            return 2;
        case 75:
            return COMPUTE_CAPABILITY_MAJOR;
        case 76:
            return COMPUTE_CAPABILITY_MINOR;
        case 81:  // shared memory per multiprocessor, bytes
            return MAX_SHARED_BYTES + 1024;
        case 97:  // shared memory per block after opt-in, bytes
            return MAX_SHARED_BYTES;
        default:
            return 0;
    }
}

CUresult withDevice(CUdevice device, CUresult result) { return device == ONLY_DEVICE ? result : INVALID_DEVICE; }

}  // namespace

Options optionsOfEnvironment() {
    Options options;
    options.seed = number("KV_EMULATION_SEED", options.seed);
    const char* order = environment("KV_EMULATION_ORDER");
    options.order = order != nullptr && strcmp(order, "lazy") == 0 ? Order::Lazy : Order::Eager;
    options.dropWaits = number("KV_EMULATION_DROP_WAITS", 0) != 0;
    options.memoryBytes = number("KV_EMULATION_MEMORY", options.memoryBytes);
    options.initResult = static_cast<CUresult>(number("KV_EMULATION_INIT_RESULT", SUCCESS));
    return options;
}

bool hasContext() { return !contextStack.empty() && contexts.count(contextStack.back()) != 0; }

CUresult strike(const char* what) {
    auto found = driver.faults.find(what);
    if (found == driver.faults.end() || found->second.countdown == 0 || --found->second.countdown != 0) {
        return SUCCESS;
    }
    return found->second.result;
}

void failContext(CUresult result, const std::string& line) {
    if (driver.stickyResult == SUCCESS) {
        driver.stickyResult = result;
        driver.lastFailure = line;
        fprintf(stderr, "%s\n", line.c_str());
    }
}

void discardContexts() {
    contexts.clear();
    driver.primaryRetained = 0;
}

}  // namespace emulation

using namespace emulation;

extern "C" {

CUresult cuInit(unsigned flags) {
    return call(Needs::Nothing, [&] {
        if (flags != 0) {
            return CUresult(INVALID_VALUE);
        }
        driver.initialised = driver.options.initResult == SUCCESS;
        return driver.options.initResult;
    });
}

CUresult cuDriverGetVersion(int* version) {
    *version = DRIVER_VERSION;
    return SUCCESS;
}

CUresult cuDeviceGetCount(int* count) {
    return call(Needs::Driver, [&] {
        *count = 1;
        return SUCCESS;
    });
}

CUresult cuDeviceGet(CUdevice* device, int ordinal) {
    return call(Needs::Driver, [&] {
        *device = ordinal;
        return withDevice(ordinal, SUCCESS);
    });
}

CUresult cuDeviceGetName(char* name, int bytes, CUdevice device) {
    return call(Needs::Driver, [&] {
        snprintf(name, static_cast<size_t>(bytes), "CUDA emulation");
        return withDevice(device, SUCCESS);
    });
}

CUresult cuDeviceTotalMem_v2(size_t* bytes, CUdevice device) {
    return call(Needs::Driver, [&] {
        *bytes = driver.options.memoryBytes;
        return withDevice(device, SUCCESS);
    });
}

CUresult cuDeviceGetAttribute(int* value, int attribute, CUdevice device) {
    return call(Needs::Driver, [&] {
        *value = attributeOf(attribute);
        return withDevice(device, SUCCESS);
    });
}

CUresult cuDeviceComputeCapability(int* major, int* minor, CUdevice device) {
    return call(Needs::Driver, [&] {
        *major = COMPUTE_CAPABILITY_MAJOR;
        *minor = COMPUTE_CAPABILITY_MINOR;
        return withDevice(device, SUCCESS);
    });
}

CUresult cuDevicePrimaryCtxRetain(Handle* context, CUdevice device) {
    return call(Needs::Driver, [&] {
        if (device != ONLY_DEVICE) {
            return CUresult(INVALID_DEVICE);
        }
        if (CUresult injected = strike("context"); injected != SUCCESS) {
            return injected;
        }
        driver.primaryRetained++;
        contexts.insert(&primary);
        *context = &primary;
        return CUresult(SUCCESS);
    });
}

CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) {
    return call(Needs::Driver, [&] {
        if (device != ONLY_DEVICE || driver.primaryRetained == 0) {
            return CUresult(device != ONLY_DEVICE ? INVALID_DEVICE : INVALID_CONTEXT);
        }
        // What was not freed stays counted, so that a leak check still finds it.
        if (--driver.primaryRetained == 0) {
            finishAll();
            contexts.erase(&primary);
        }
        return CUresult(SUCCESS);
    });
}

CUresult cuCtxSetCurrent(Handle context) {
    return call(Needs::Driver, [&] {
        if (context != nullptr && contexts.count(context) == 0) {
            return CUresult(INVALID_CONTEXT);
        }
        if (!contextStack.empty()) {
            contextStack.pop_back();
        }
        if (context != nullptr) {
            contextStack.push_back(context);
        }
        return CUresult(SUCCESS);
    });
}

CUresult cuCtxGetCurrent(Handle* context) {
    return call(Needs::Driver, [&] {
        *context = hasContext() ? contextStack.back() : nullptr;
        return SUCCESS;
    });
}

CUresult cuCtxPushCurrent_v2(Handle context) {
    return call(Needs::Driver, [&] {
        if (contexts.count(context) == 0) {
            return CUresult(INVALID_CONTEXT);
        }
        contextStack.push_back(context);
        return CUresult(SUCCESS);
    });
}

CUresult cuCtxPopCurrent_v2(Handle* context) {
    return call(Needs::Driver, [&] {
        if (contextStack.empty()) {
            return CUresult(INVALID_CONTEXT);
        }
        if (context != nullptr) {
            *context = contextStack.back();
        }
        contextStack.pop_back();
        return CUresult(SUCCESS);
    });
}

CUresult cuCtxSynchronize() {
    return call(Needs::Context, [&] {
        if (CUresult refused = refuseWhileCapturing(); refused != SUCCESS) {
            return refused;
        }
        hostWaitsForAll();
        return driver.stickyResult;
    });
}

}  // extern "C"
