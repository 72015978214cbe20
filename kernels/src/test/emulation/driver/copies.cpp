// Copies and fills, with the rules of the driver for what is read when:
//
//   source or target               asynchronous call                       synchronous call
//   pageable host -> device        host bytes are taken during the call     the same; the device may get them later
//   page-locked host -> device     host bytes are read when the copy runs   returns when the copy has run
//   device -> pageable host        returns when the copy has run            returns when the copy has run
//   device -> page-locked host     written when the copy runs               returns when the copy has run
//   device -> device, fills        run in the stream                        run in the default stream, without a wait
//
// A range that is not wholly inside of one allocation is refused.
#include <cstring>
#include <vector>

#include "../engine/address_space.h"
#include "../engine/library.h"
#include "../engine/random.h"
#include "pages.h"
#include "streams.h"

namespace emulation {

namespace {

using Bytes = std::vector<char>;

bool isPageLocked(const void* host, size_t bytes) {
    const Allocation* found = addressSpace.find(reinterpret_cast<uintptr_t>(host), bytes);
    return found != nullptr && found->kind == MemoryKind::Host;
}

// Device memory or page-locked memory under its device address, or a variable of the kernels' library.
bool isDeviceRange(CUdeviceptr start, size_t bytes) {
    return addressSpace.find(start, bytes) != nullptr || isInImage(start, bytes);
}

void* at(CUdeviceptr address) { return reinterpret_cast<void*>(address); }

// A position behind everything that was submitted to a stream.
Position now(const std::shared_ptr<Stream>& stream) { return {stream, stream->submitted}; }

CUresult toDevice(CUdeviceptr target, const void* source, size_t bytes, const std::shared_ptr<Stream>& stream) {
    if (!isDeviceRange(target, bytes)) {
        return INVALID_VALUE;
    }
    if (isPageLocked(source, bytes)) {
        return submit(stream, [=] { memcpy(at(target), source, bytes); });
    }
    // A graph would read the bytes of the capture for ever.
    if (isCapturing(*stream)) {
        return refuseWhileCapturing();
    }
    const char* first = static_cast<const char*>(source);
    auto taken = std::make_shared<const Bytes>(first, first + bytes);
    return submit(stream, [=] { memcpy(at(target), taken->data(), bytes); });
}

CUresult toHost(void* target, CUdeviceptr source, size_t bytes, const std::shared_ptr<Stream>& stream) {
    if (!isDeviceRange(source, bytes)) {
        return INVALID_VALUE;
    }
    bool pageLocked = isPageLocked(target, bytes);
    if (!pageLocked && isCapturing(*stream)) {
        return refuseWhileCapturing();
    }
    CUresult result = submit(stream, [=] { memcpy(target, at(source), bytes); });
    if (result == SUCCESS && !pageLocked) {
        hostWaits(now(stream));
        return driver.stickyResult;
    }
    return result;
}

CUresult onDevice(CUdeviceptr target, CUdeviceptr source, size_t bytes, const std::shared_ptr<Stream>& stream) {
    if (!isDeviceRange(target, bytes) || !isDeviceRange(source, bytes)) {
        return INVALID_VALUE;
    }
    return submit(stream, [=] { memmove(at(target), at(source), bytes); });
}

template <class T>
CUresult fill(CUdeviceptr target, T value, size_t count, const std::shared_ptr<Stream>& stream) {
    if (!isDeviceRange(target, count * sizeof(T)) || target % sizeof(T) != 0) {
        return INVALID_VALUE;
    }
    return submit(stream, [=] { std::fill_n(static_cast<T*>(at(target)), count, value); });
}

template <class Body>
CUresult inStream(Handle handle, Body body) {
    return call(Needs::Context, [&] {
        std::shared_ptr<Stream> stream = findStream(handle);
        return stream == nullptr ? CUresult(INVALID_HANDLE) : body(stream);
    });
}

// A synchronous call: not while a stream is capturing; the legacy default stream takes the work.
template <class Body>
CUresult synchronously(bool hostWaitsAfter, Body body) {
    return call(Needs::Context, [&] {
        if (CUresult refused = refuseWhileCapturing(); refused != SUCCESS) {
            return refused;
        }
        CUresult result = body(defaultStream());
        if (result == SUCCESS && hostWaitsAfter) {
            hostWaits(now(defaultStream()));
        }
        return result == SUCCESS ? driver.stickyResult : result;
    });
}

// CUmemcpyAttributes as the driver's header lays it out.
struct BatchAttributes {
    enum SourceOrder : int { Stream = 1, DuringCall = 2, Any = 3 };
    SourceOrder sourceOrder;
    int sourceLocation[2], targetLocation[2];
    unsigned flags;
};

struct BatchCopy {
    CUdeviceptr target, source;
    size_t bytes;
    // Bytes that were taken during the call; empty if the source is read when the copy runs.
    Bytes taken;
};

void runBatch(const std::vector<BatchCopy>& copies) {
    // The driver promises no order within a batch.
    Random random(driver.options.seed);
    std::vector<unsigned> order;
    random.permutation(order, copies.size());
    for (unsigned i : order) {
        const BatchCopy& copy = copies[i];
        const void* source = copy.taken.empty() ? at(copy.source) : copy.taken.data();
        memmove(at(copy.target), source, copy.bytes);
    }
}

bool isBatchRange(CUdeviceptr start, size_t bytes) {
    // Pageable host memory is allowed too; then the range cannot be checked.
    return bytes > 0 && (isDeviceRange(start, bytes) || addressSpace.find(start, 1) == nullptr);
}

CUresult copyBatch(const CUdeviceptr* targets, const CUdeviceptr* sources, const size_t* bytes, size_t count,
                   const BatchAttributes* attributes, const size_t* firstCopies, size_t attributeCount, Handle handle) {
    return inStream(handle, [&](const std::shared_ptr<Stream>& stream) {
        bool attributesFit = attributeCount > 0 && attributeCount <= count && firstCopies[0] == 0;
        if (count == 0 || !attributesFit || stream == defaultStream()) {
            return CUresult(INVALID_VALUE);
        }
        std::vector<BatchCopy> copies;
        size_t attribute = 0;
        for (size_t i = 0; i < count; i++) {
            if (attribute + 1 < attributeCount && firstCopies[attribute + 1] == i) {
                attribute++;
            }
            if (!isBatchRange(targets[i], bytes[i]) || !isBatchRange(sources[i], bytes[i])) {
                return CUresult(INVALID_VALUE);
            }
            BatchCopy copy{targets[i], sources[i], bytes[i], {}};
            // Any order allows the earliest moment as well, which is the one that finds a missing wait.
            bool isDeviceSource = isDeviceRange(sources[i], bytes[i]);
            if (attributes[attribute].sourceOrder != BatchAttributes::Stream || !isDeviceSource) {
                openDeviceMemory();
                const char* first = static_cast<const char*>(at(sources[i]));
                copy.taken.assign(first, first + bytes[i]);
            }
            copies.push_back(std::move(copy));
        }
        driver.batchCopies++;
        return submit(stream, [copies = std::move(copies)] { runBatch(copies); });
    });
}

}  // namespace

}  // namespace emulation

using namespace emulation;

extern "C" {

CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr target, const void* source, size_t bytes, Handle stream) {
    return inStream(stream, [&](const auto& s) { return toDevice(target, source, bytes, s); });
}
CUresult cuMemcpyDtoHAsync_v2(void* target, CUdeviceptr source, size_t bytes, Handle stream) {
    return inStream(stream, [&](const auto& s) { return toHost(target, source, bytes, s); });
}
CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr target, CUdeviceptr source, size_t bytes, Handle stream) {
    return inStream(stream, [&](const auto& s) { return onDevice(target, source, bytes, s); });
}
CUresult cuMemcpyHtoD_v2(CUdeviceptr target, const void* source, size_t bytes) {
    return synchronously(isPageLocked(source, bytes), [&](const auto& s) {
        // Pageable bytes are staged once earlier work of the stream is done; they reach the device some time later.
        hostWaits(now(s));
        return toDevice(target, source, bytes, s);
    });
}
CUresult cuMemcpyDtoH_v2(void* target, CUdeviceptr source, size_t bytes) {
    return synchronously(isPageLocked(target, bytes), [&](const auto& s) { return toHost(target, source, bytes, s); });
}
CUresult cuMemcpyDtoD_v2(CUdeviceptr target, CUdeviceptr source, size_t bytes) {
    return synchronously(false, [&](const auto& s) { return onDevice(target, source, bytes, s); });
}

CUresult cuMemsetD8Async(CUdeviceptr target, unsigned char value, size_t count, Handle stream) {
    return inStream(stream, [&](const auto& s) { return fill(target, value, count, s); });
}
CUresult cuMemsetD16Async(CUdeviceptr target, unsigned short value, size_t count, Handle stream) {
    return inStream(stream, [&](const auto& s) { return fill(target, value, count, s); });
}
CUresult cuMemsetD32Async(CUdeviceptr target, unsigned value, size_t count, Handle stream) {
    return inStream(stream, [&](const auto& s) { return fill(target, value, count, s); });
}
CUresult cuMemsetD8_v2(CUdeviceptr target, unsigned char value, size_t count) {
    return synchronously(false, [&](const auto& s) { return fill(target, value, count, s); });
}
CUresult cuMemsetD32_v2(CUdeviceptr target, unsigned value, size_t count) {
    return synchronously(false, [&](const auto& s) { return fill(target, value, count, s); });
}

// As of CUDA 12.8, and as of CUDA 13.0.
CUresult cuMemcpyBatchAsync(CUdeviceptr* targets, CUdeviceptr* sources, size_t* bytes, size_t count,
                            BatchAttributes* attributes, size_t* firstCopies, size_t attributeCount, size_t* failed,
                            Handle stream) {
    CUresult result = copyBatch(targets, sources, bytes, count, attributes, firstCopies, attributeCount, stream);
    if (failed != nullptr && result != SUCCESS) {
        *failed = SIZE_MAX;
    }
    return result;
}
CUresult cuMemcpyBatchAsync_v2(CUdeviceptr* targets, CUdeviceptr* sources, size_t* bytes, size_t count,
                               BatchAttributes* attributes, size_t* firstCopies, size_t attributeCount, Handle stream) {
    return copyBatch(targets, sources, bytes, count, attributes, firstCopies, attributeCount, stream);
}

}  // extern "C"
