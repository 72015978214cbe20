// What the parts of the emulated driver share: its state, its lock, its results.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

using CUresult = int;
using CUdevice = int;
using CUdeviceptr = unsigned long long;
// Handles are opaque to the caller; here they are the addresses of the objects behind them.
using Handle = void*;

namespace emulation {

enum Result : CUresult {
    SUCCESS = 0,
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    NOT_INITIALIZED = 3,
    NO_DEVICE = 100,
    INVALID_DEVICE = 101,
    INVALID_IMAGE = 200,
    INVALID_CONTEXT = 201,
    INVALID_HANDLE = 400,
    ILLEGAL_STATE = 401,
    NOT_FOUND = 500,
    NOT_READY = 600,
    HOST_MEMORY_ALREADY_REGISTERED = 712,
    HOST_MEMORY_NOT_REGISTERED = 713,
    NOT_SUPPORTED = 801,
    STREAM_CAPTURE_UNSUPPORTED = 900,
    STREAM_CAPTURE_INVALIDATED = 901,
    STREAM_CAPTURE_UNMATCHED = 903,
    STREAM_CAPTURE_UNJOINED = 904,
    STREAM_CAPTURE_ISOLATION = 905,
    STREAM_CAPTURE_IMPLICIT = 906,
    CAPTURED_EVENT = 907,
};

// When work is done: at its submission, or only once somebody waits for it.
enum class Order { Eager, Lazy };

// Set from the environment (KV_EMULATION_...) and by the control functions.
struct Options {
    uint64_t seed = 1;
    Order order = Order::Eager;
    // cuStreamWaitEvent does nothing: a test that needs the wait must then fail.
    bool dropWaits = false;
    size_t memoryBytes = size_t(2) << 30;
    // What cuInit returns.
    CUresult initResult = SUCCESS;
};
Options optionsOfEnvironment();

// What kv_emulation_fail can make fail, and how far away that is: 1 is the next one, 0 never.
struct Fault {
    long countdown = 0;
    CUresult result = SUCCESS;
};

struct Driver {
    std::mutex mutex;
    Options options = optionsOfEnvironment();
    bool initialised = false;
    int primaryRetained = 0;
    // The first failure of a kernel; every later call returns it, as a real context does.
    CUresult stickyResult = SUCCESS;
    std::string lastFailure;
    std::map<std::string, Fault> faults;
    long launches = 0, graphLaunches = 0, synchronisations = 0, droppedWaits = 0, batchCopies = 0;
};
extern Driver driver;

// Whether an injected fault strikes now; what the call must return.
CUresult strike(const char* what);

// Records the failure of work that was already submitted.
void failContext(CUresult result, const std::string& line);

bool hasContext();

enum class Needs { Nothing, Driver, Context };

// The frame of every driver call, and the checks that come first.
template <class Body>
CUresult call(Needs needs, Body body) {
    std::lock_guard<std::mutex> lock(driver.mutex);
    if (needs != Needs::Nothing && !driver.initialised) {
        return NOT_INITIALIZED;
    }
    if (needs == Needs::Context) {
        if (!hasContext()) {
            return INVALID_CONTEXT;
        }
        if (driver.stickyResult != SUCCESS) {
            return driver.stickyResult;
        }
    }
    return body();
}

// The live objects of one kind.
template <class T>
class Objects {
  public:
    Handle add(std::shared_ptr<T> object) {
        Handle handle = object.get();
        live.emplace(handle, std::move(object));
        return handle;
    }
    std::shared_ptr<T> find(Handle handle) const {
        auto found = live.find(handle);
        return found == live.end() ? nullptr : found->second;
    }
    bool remove(Handle handle) { return live.erase(handle) != 0; }
    void clear() { live.clear(); }
    size_t count() const { return live.size(); }
    const std::map<Handle, std::shared_ptr<T>>& all() const { return live; }

  private:
    std::map<Handle, std::shared_ptr<T>> live;
};

// What each part holds, and how it forgets everything.
struct MemoryUse {
    size_t allocations, bytes;
};
MemoryUse deviceMemoryUse();
MemoryUse hostMemoryUse();
void discardMemory();
void discardStreams();
void discardGraphs();
void discardModules();
void discardContexts();
size_t liveStreams();
size_t liveEvents();
size_t liveGraphs();
size_t liveModules();

}  // namespace emulation
