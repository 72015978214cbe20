// What a test may ask of the emulation and tell it; a real driver has none of these. Called through java.lang.foreign.
#include <cstring>

#include "../engine/library.h"
#include "driver.h"
#include "streams.h"

using namespace emulation;

extern "C" {

// How many of something there are; -1 for an unknown name.
long kv_emulation_count(const char* what) {
    std::lock_guard<std::mutex> lock(driver.mutex);
    const std::map<std::string, long> counts = {
        {"device_allocations", deviceMemoryUse().allocations},
        {"device_bytes", deviceMemoryUse().bytes},
        {"host_allocations", hostMemoryUse().allocations},
        {"host_bytes", hostMemoryUse().bytes},
        {"streams", liveStreams()},
        {"events", liveEvents()},
        {"graphs", liveGraphs()},
        {"modules", liveModules()},
        {"contexts", driver.primaryRetained},
        {"launches", driver.launches},
        {"graph_launches", driver.graphLaunches},
        {"synchronisations", driver.synchronisations},
        {"dropped_waits", driver.droppedWaits},
        {"batch_copies", driver.batchCopies},
    };
    auto found = counts.find(what);
    constexpr long UNKNOWN = -1;
    return found == counts.end() ? UNKNOWN : found->second;
}

// Makes the nth call or launch from now fail: device_memory, host_memory, stream, event, graph, module, context or
// launch. nth 0 takes the fault back. A launch fails when it runs, and for good; its result should be one of 700 and
// above.
void kv_emulation_fail(const char* what, long nth, int result) {
    std::lock_guard<std::mutex> lock(driver.mutex);
    driver.faults[what] = {nth, result};
}

// Sets seed, lazy, drop_waits, memory_bytes or init_result; 0, or -1 for an unknown name.
int kv_emulation_set(const char* name, long value) {
    std::lock_guard<std::mutex> lock(driver.mutex);
    Options& options = driver.options;
    if (strcmp(name, "seed") == 0) {
        options.seed = static_cast<uint64_t>(value);
    } else if (strcmp(name, "lazy") == 0) {
        options.order = value != 0 ? Order::Lazy : Order::Eager;
    } else if (strcmp(name, "drop_waits") == 0) {
        options.dropWaits = value != 0;
    } else if (strcmp(name, "memory_bytes") == 0) {
        options.memoryBytes = static_cast<size_t>(value);
    } else if (strcmp(name, "init_result") == 0) {
        options.initResult = static_cast<CUresult>(value);
    } else {
        return -1;
    }
    return 0;
}

// Takes the kernels of modules that are loaded from now on from another library; null, or why not.
const char* kv_emulation_use_kernels(const char* path) {
    std::lock_guard<std::mutex> lock(driver.mutex);
    static std::string message;
    auto failure = loadKernels(path);
    message = failure.value_or("");
    return failure.has_value() ? message.c_str() : nullptr;
}

// The line about the first failed launch since the last reset; empty if there was none.
const char* kv_emulation_failure() {
    std::lock_guard<std::mutex> lock(driver.mutex);
    return driver.lastFailure.c_str();
}

// A new driver in a new process, as far as a program can tell: every object and failure is gone, counters and faults
// too, and the options are those of the environment. Threads must set their current context again.
void kv_emulation_reset() {
    std::lock_guard<std::mutex> lock(driver.mutex);
    discardGraphs();
    discardStreams();
    discardModules();
    discardMemory();
    discardContexts();
    forgetChosenKernels();
    driver.options = optionsOfEnvironment();
    driver.initialised = false;
    driver.stickyResult = SUCCESS;
    driver.lastFailure.clear();
    driver.faults.clear();
    driver.launches = driver.graphLaunches = driver.synchronisations = driver.droppedWaits
        = driver.batchCopies = 0;
}

}  // extern "C"
