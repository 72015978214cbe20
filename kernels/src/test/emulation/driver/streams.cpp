#include "streams.h"

#include <algorithm>
#include <chrono>

#include "pages.h"

namespace emulation {

namespace {

Objects<Stream> streams;
Objects<Event> events;
std::shared_ptr<Stream> legacy = std::make_shared<Stream>();

constexpr unsigned STREAM_NON_BLOCKING = 1;
constexpr unsigned EVENT_DISABLE_TIMING = 2;

double nowMilliseconds() {
    using namespace std::chrono;
    return duration<double, std::milli>(steady_clock::now().time_since_epoch()).count();
}

Position endOf(const std::shared_ptr<Stream>& stream) { return {stream, stream->submitted}; }

bool isDone(const Position& position) { return position.stream == nullptr || position.stream->done >= position.number; }

// What the legacy default stream adds: it and the blocking streams wait for each other.
std::vector<Position> implicitWaits(const std::shared_ptr<Stream>& stream) {
    std::vector<Position> waits;
    if (stream == legacy) {
        for (const auto& [handle, other] : streams.all()) {
            if (other->blocking) {
                waits.push_back(endOf(other));
            }
        }
    } else if (stream->blocking) {
        waits.push_back(endOf(legacy));
    }
    return waits;
}

void enqueue(const std::shared_ptr<Stream>& stream, std::vector<Position> after, std::function<void()> run) {
    for (Position& wait : implicitWaits(stream)) {
        after.push_back(std::move(wait));
    }
    stream->pending.push_back({std::move(after), std::move(run)});
    stream->submitted++;
    if (driver.options.order == Order::Eager) {
        finish(endOf(stream));
    }
}

// Whoever asks again and again must see progress in the end, so each question that finds work pending does some of it.
CUresult query(const Position& position) {
    if (isDone(position)) {
        return SUCCESS;
    }
    finish({position.stream, position.stream->done + 1});
    return NOT_READY;
}

CUresult record(Event& event, const std::shared_ptr<Stream>& stream) {
    event.recorded = true;
    event.capture = stream->capture;
    if (stream->capture != nullptr) {
        event.tail = stream->tail;
        return stream->capture->invalid ? STREAM_CAPTURE_INVALIDATED : SUCCESS;
    }
    auto milliseconds = std::make_shared<double>(0);
    event.milliseconds = milliseconds;
    event.position = {stream, stream->submitted + 1};
    return submit(stream, [milliseconds] { *milliseconds = nowMilliseconds(); });
}

CUresult waitCaptured(const std::shared_ptr<Stream>& stream, const Event& event) {
    if (stream == legacy) {
        return STREAM_CAPTURE_IMPLICIT;
    }
    if (stream->capture == nullptr) {
        stream->capture = event.capture;
        stream->tail.clear();
        event.capture->joined.push_back(stream);
    } else if (stream->capture != event.capture) {
        stream->capture->invalid = true;
        return STREAM_CAPTURE_ISOLATION;
    }
    for (size_t node : event.tail) {
        if (std::find(stream->tail.begin(), stream->tail.end(), node) == stream->tail.end()) {
            stream->tail.push_back(node);
        }
    }
    return SUCCESS;
}

CUresult waitEvent(const std::shared_ptr<Stream>& stream, const Event& event) {
    if (driver.options.dropWaits) {
        driver.droppedWaits++;
        return SUCCESS;
    }
    if (!event.recorded) {
        return SUCCESS;
    }
    if (event.capture != nullptr) {
        return event.capture->invalid ? STREAM_CAPTURE_INVALIDATED : waitCaptured(stream, event);
    }
    if (stream->capture != nullptr) {
        stream->capture->invalid = true;
        return STREAM_CAPTURE_ISOLATION;
    }
    enqueue(stream, {event.position}, [] {});
    return SUCCESS;
}

}  // namespace

std::shared_ptr<Stream> findStream(Handle handle) {
    constexpr uintptr_t LEGACY_HANDLE = 1;
    return reinterpret_cast<uintptr_t>(handle) <= LEGACY_HANDLE ? legacy : streams.find(handle);
}

std::shared_ptr<Stream> defaultStream() { return legacy; }

CUresult submit(const std::shared_ptr<Stream>& stream, std::function<void()> run) {
    if (stream->capture != nullptr) {
        Capture& capture = *stream->capture;
        if (capture.invalid) {
            return STREAM_CAPTURE_INVALIDATED;
        }
        capture.graph->nodes.push_back({std::move(run), stream->tail});
        stream->tail = {capture.graph->nodes.size() - 1};
        return SUCCESS;
    }
    if (stream == legacy) {
        for (const auto& [handle, other] : streams.all()) {
            if (other->blocking && other->capture != nullptr) {
                other->capture->invalid = true;
                return STREAM_CAPTURE_IMPLICIT;
            }
        }
    }
    enqueue(stream, {}, std::move(run));
    return SUCCESS;
}

// An operation waits only for what was submitted before it, so this ends.
void finish(const Position& position) {
    if (position.stream == nullptr) {
        return;
    }
    Stream& stream = *position.stream;
    while (stream.done < position.number) {
        Operation operation = std::move(stream.pending.front());
        stream.pending.pop_front();
        for (const Position& earlier : operation.after) {
            finish(earlier);
        }
        if (driver.stickyResult == SUCCESS) {
            openDeviceMemory();
            operation.run();
        }
        stream.done++;
    }
}

void finishAll() {
    finish(endOf(legacy));
    for (const auto& [handle, stream] : streams.all()) {
        finish(endOf(stream));
    }
}

void hostWaits(const Position& position) {
    driver.synchronisations++;
    finish(position);
    closeDeviceMemory();
}

void hostWaitsForAll() {
    driver.synchronisations++;
    finishAll();
    closeDeviceMemory();
}

bool isCapturing(const Stream& stream) { return stream.capture != nullptr; }

CUresult refuseWhileCapturing() {
    CUresult result = SUCCESS;
    for (const auto& [handle, stream] : streams.all()) {
        if (stream->capture != nullptr && stream->capture->mode != CaptureMode::Relaxed) {
            stream->capture->invalid = true;
            result = STREAM_CAPTURE_UNSUPPORTED;
        }
    }
    return result;
}

void discardStreams() {
    streams.clear();
    events.clear();
    legacy = std::make_shared<Stream>();
}

size_t liveStreams() { return streams.count(); }
size_t liveEvents() { return events.count(); }

}  // namespace emulation

using namespace emulation;

namespace {

template <class Body>
CUresult withStream(Handle handle, Body body) {
    return call(Needs::Context, [&] {
        std::shared_ptr<Stream> stream = findStream(handle);
        return stream == nullptr ? CUresult(INVALID_HANDLE) : body(stream);
    });
}

template <class Body>
CUresult withEvent(Handle handle, Body body) {
    return call(Needs::Context, [&] {
        std::shared_ptr<Event> event = events.find(handle);
        return event == nullptr ? CUresult(INVALID_HANDLE) : body(*event);
    });
}

}  // namespace

extern "C" {

CUresult cuStreamCreate(Handle* handle, unsigned flags) {
    return call(Needs::Context, [&] {
        if (CUresult injected = strike("stream"); injected != SUCCESS) {
            return injected;
        }
        auto stream = std::make_shared<Stream>();
        stream->blocking = (flags & STREAM_NON_BLOCKING) == 0;
        *handle = streams.add(std::move(stream));
        return CUresult(SUCCESS);
    });
}

CUresult cuStreamCreateWithPriority(Handle* handle, unsigned flags, int) { return cuStreamCreate(handle, flags); }

CUresult cuStreamDestroy_v2(Handle handle) {
    return call(Needs::Context, [&] {
        std::shared_ptr<Stream> stream = streams.find(handle);
        if (stream == nullptr) {
            return CUresult(INVALID_HANDLE);
        }
        // The call does not wait, but work that was submitted is still done.
        finish(endOf(stream));
        streams.remove(handle);
        return driver.stickyResult;
    });
}

CUresult cuStreamSynchronize(Handle handle) {
    return withStream(handle, [](const std::shared_ptr<Stream>& stream) {
        if (isCapturing(*stream)) {
            return refuseWhileCapturing();
        }
        std::vector<Position> implicit = implicitWaits(stream);
        hostWaits(endOf(stream));
        if (stream == legacy) {
            for (const Position& other : implicit) {
                finish(other);
            }
        }
        return driver.stickyResult;
    });
}

CUresult cuStreamQuery(Handle handle) {
    return withStream(handle, [](const std::shared_ptr<Stream>& stream) {
        CUresult result = isCapturing(*stream) ? refuseWhileCapturing() : query(endOf(stream));
        return driver.stickyResult != SUCCESS ? driver.stickyResult : result;
    });
}

CUresult cuStreamWaitEvent(Handle handle, Handle eventHandle, unsigned) {
    return withStream(handle, [&](const std::shared_ptr<Stream>& stream) {
        std::shared_ptr<Event> event = events.find(eventHandle);
        return event == nullptr ? CUresult(INVALID_HANDLE) : waitEvent(stream, *event);
    });
}

CUresult cuEventCreate(Handle* handle, unsigned flags) {
    return call(Needs::Context, [&] {
        if (CUresult injected = strike("event"); injected != SUCCESS) {
            return injected;
        }
        auto event = std::make_shared<Event>();
        event->timed = (flags & EVENT_DISABLE_TIMING) == 0;
        *handle = events.add(std::move(event));
        return CUresult(SUCCESS);
    });
}

CUresult cuEventDestroy_v2(Handle handle) {
    return call(Needs::Context, [&] { return CUresult(events.remove(handle) ? SUCCESS : INVALID_HANDLE); });
}

CUresult cuEventRecord(Handle handle, Handle streamHandle) {
    return withEvent(handle, [&](Event& event) {
        std::shared_ptr<Stream> stream = findStream(streamHandle);
        return stream == nullptr ? CUresult(INVALID_HANDLE) : record(event, stream);
    });
}

CUresult cuEventSynchronize(Handle handle) {
    return withEvent(handle, [](Event& event) {
        if (event.capture != nullptr) {
            event.capture->invalid = true;
            return CUresult(CAPTURED_EVENT);
        }
        hostWaits(event.position);
        return driver.stickyResult;
    });
}

CUresult cuEventQuery(Handle handle) {
    return withEvent(handle, [](Event& event) {
        if (event.capture != nullptr) {
            event.capture->invalid = true;
            return CUresult(CAPTURED_EVENT);
        }
        CUresult result = query(event.position);
        return driver.stickyResult != SUCCESS ? driver.stickyResult : result;
    });
}

CUresult cuEventElapsedTime(float* milliseconds, Handle startHandle, Handle endHandle) {
    return withEvent(startHandle, [&](Event& start) {
        std::shared_ptr<Event> end = events.find(endHandle);
        if (end == nullptr || !start.timed || !end->timed || !start.recorded || !end->recorded) {
            return CUresult(INVALID_HANDLE);
        }
        if (start.capture != nullptr || end->capture != nullptr) {
            return CUresult(CAPTURED_EVENT);
        }
        if (!isDone(start.position) || !isDone(end->position)) {
            return CUresult(NOT_READY);
        }
        *milliseconds = static_cast<float>(*end->milliseconds - *start.milliseconds);
        return CUresult(SUCCESS);
    });
}

}  // extern "C"
