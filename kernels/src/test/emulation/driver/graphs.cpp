// Stream capture and graphs.
//
// A captured graph keeps only the dependencies that the program made: order within a stream, and waits for events. In
// eager order a launch runs the nodes as they were captured; in lazy order in any order that the dependencies allow,
// drawn from the seed, so that a join or a fork that was forgotten shows.
#include <algorithm>
#include <numeric>

#include "../engine/random.h"
#include "streams.h"

namespace emulation {

namespace {

// An executable graph: a copy of its own, as later changes to the graph do not reach it.
struct Executable {
    std::shared_ptr<const Graph> graph;
};

Objects<Graph> graphs;
Objects<Executable> executables;

void runInDrawnOrder(const Graph& graph, Random& random) {
    std::vector<bool> isDone(graph.nodes.size(), false);
    std::vector<size_t> ready;
    for (size_t done = 0; done < graph.nodes.size(); done++) {
        ready.clear();
        for (size_t i = 0; i < graph.nodes.size(); i++) {
            const std::vector<size_t>& after = graph.nodes[i].after;
            if (!isDone[i] && std::all_of(after.begin(), after.end(), [&](size_t j) { return isDone[j]; })) {
                ready.push_back(i);
            }
        }
        size_t chosen = ready[random.next() % ready.size()];
        graph.nodes[chosen].run();
        isDone[chosen] = true;
    }
}

void run(const Graph& graph) {
    driver.graphLaunches++;
    if (driver.options.order == Order::Lazy) {
        Random random(driver.options.seed + static_cast<uint64_t>(driver.graphLaunches));
        runInDrawnOrder(graph, random);
        return;
    }
    for (const Node& node : graph.nodes) {
        node.run();
    }
}

// Every node must come before the end of the stream in which the capture began.
bool isJoined(const Graph& graph, const std::vector<size_t>& tail) {
    std::vector<bool> isReached(graph.nodes.size(), false);
    std::vector<size_t> open = tail;
    while (!open.empty()) {
        size_t node = open.back();
        open.pop_back();
        if (!isReached[node]) {
            isReached[node] = true;
            const std::vector<size_t>& after = graph.nodes[node].after;
            open.insert(open.end(), after.begin(), after.end());
        }
    }
    return std::all_of(isReached.begin(), isReached.end(), [](bool reached) { return reached; });
}

CUresult endCapture(const std::shared_ptr<Stream>& origin, Handle* handle) {
    std::shared_ptr<Capture> capture = origin->capture;
    if (capture == nullptr || capture->origin != origin) {
        return capture == nullptr ? ILLEGAL_STATE : STREAM_CAPTURE_UNMATCHED;
    }
    bool joined = isJoined(*capture->graph, origin->tail);
    for (const std::shared_ptr<Stream>& stream : capture->joined) {
        stream->capture = nullptr;
    }
    origin->capture = nullptr;
    *handle = nullptr;
    if (capture->invalid) {
        return STREAM_CAPTURE_INVALIDATED;
    }
    if (!joined) {
        return STREAM_CAPTURE_UNJOINED;
    }
    *handle = graphs.add(capture->graph);
    return SUCCESS;
}

}  // namespace

void discardGraphs() {
    graphs.clear();
    executables.clear();
}

size_t liveGraphs() { return graphs.count() + executables.count(); }

}  // namespace emulation

using namespace emulation;

extern "C" {

CUresult cuStreamBeginCapture_v2(Handle handle, int mode) {
    return call(Needs::Context, [&] {
        std::shared_ptr<Stream> stream = findStream(handle);
        if (stream == nullptr) {
            return CUresult(INVALID_HANDLE);
        }
        if (stream == defaultStream()) {
            return CUresult(STREAM_CAPTURE_UNSUPPORTED);
        }
        if (isCapturing(*stream) || mode < 0 || mode > static_cast<int>(CaptureMode::Relaxed)) {
            return CUresult(isCapturing(*stream) ? ILLEGAL_STATE : INVALID_VALUE);
        }
        stream->capture = std::make_shared<Capture>();
        stream->capture->origin = stream;
        stream->capture->mode = static_cast<CaptureMode>(mode);
        stream->tail.clear();
        return CUresult(SUCCESS);
    });
}

CUresult cuStreamEndCapture(Handle handle, Handle* graph) {
    return call(Needs::Context, [&] {
        std::shared_ptr<Stream> stream = findStream(handle);
        return stream == nullptr ? CUresult(INVALID_HANDLE) : endCapture(stream, graph);
    });
}

CUresult cuStreamIsCapturing(Handle handle, int* status) {
    return call(Needs::Context, [&] {
        std::shared_ptr<Stream> stream = findStream(handle);
        if (stream == nullptr) {
            return CUresult(INVALID_HANDLE);
        }
        constexpr int NONE = 0, ACTIVE = 1, INVALIDATED = 2;
        *status = !isCapturing(*stream) ? NONE : stream->capture->invalid ? INVALIDATED : ACTIVE;
        return CUresult(SUCCESS);
    });
}

CUresult cuGraphInstantiateWithFlags(Handle* executable, Handle handle, unsigned long long) {
    return call(Needs::Context, [&] {
        std::shared_ptr<Graph> graph = graphs.find(handle);
        if (graph == nullptr) {
            return CUresult(INVALID_HANDLE);
        }
        if (CUresult injected = strike("graph"); injected != SUCCESS) {
            return injected;
        }
        auto copy = std::make_shared<Executable>();
        copy->graph = std::make_shared<const Graph>(*graph);
        *executable = executables.add(std::move(copy));
        return CUresult(SUCCESS);
    });
}

CUresult cuGraphLaunch(Handle handle, Handle streamHandle) {
    return call(Needs::Context, [&] {
        std::shared_ptr<Executable> executable = executables.find(handle);
        std::shared_ptr<Stream> stream = findStream(streamHandle);
        if (executable == nullptr || stream == nullptr) {
            return CUresult(INVALID_HANDLE);
        }
        if (isCapturing(*stream)) {
            return CUresult(NOT_SUPPORTED);
        }
        return submit(stream, [graph = executable->graph] { run(*graph); });
    });
}

CUresult cuGraphDestroy(Handle handle) {
    return call(Needs::Context, [&] { return CUresult(graphs.remove(handle) ? SUCCESS : INVALID_HANDLE); });
}

CUresult cuGraphExecDestroy(Handle handle) {
    return call(Needs::Context, [&] { return CUresult(executables.remove(handle) ? SUCCESS : INVALID_HANDLE); });
}

}  // extern "C"
