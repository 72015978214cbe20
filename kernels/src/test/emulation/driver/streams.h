// Streams, events and the order in which submitted work is done.
//
// A stream is a queue. In eager order work is done when it is submitted; in lazy order only when somebody waits for
// it, and then no more of it than that wait needs. A wait of one stream for another that the program forgot is
// therefore missing in lazy order, and the reader finds what was there before.
#pragma once

#include <deque>
#include <functional>
#include <vector>

#include "../engine/kernel.h"
#include "driver.h"

namespace emulation {

struct Stream;
struct Capture;

// A place in a stream: reached once that many of its operations are done.
struct Position {
    std::shared_ptr<Stream> stream;
    uint64_t number = 0;
};

struct Operation {
    std::vector<Position> after;
    std::function<void()> run;
};

struct Stream {
    // A blocking stream and the legacy default stream wait for each other.
    bool blocking = true;
    uint64_t submitted = 0, done = 0;
    std::deque<Operation> pending;
    // While capturing: the graph's nodes that the next one depends on.
    std::shared_ptr<Capture> capture;
    std::vector<size_t> tail;
};

struct Event {
    bool timed = true;
    bool recorded = false;
    Position position;
    std::shared_ptr<double> milliseconds;
    // Where a captured record stands.
    std::shared_ptr<Capture> capture;
    std::vector<size_t> tail;
};

// One captured operation.
struct Node {
    std::function<void()> run;
    std::vector<size_t> after;
};
struct Graph {
    std::vector<Node> nodes;
};
enum class CaptureMode { Global = 0, ThreadLocal = 1, Relaxed = 2 };
struct Capture {
    std::shared_ptr<Graph> graph = std::make_shared<Graph>();
    std::shared_ptr<Stream> origin;
    std::vector<std::shared_ptr<Stream>> joined;
    CaptureMode mode;
    bool invalid = false;
};

// The stream of a handle, the legacy default stream for 0 and 1; null if there is none.
std::shared_ptr<Stream> findStream(Handle handle);
std::shared_ptr<Stream> defaultStream();

// Queues work, or adds it to the graph if the stream is capturing.
CUresult submit(const std::shared_ptr<Stream>& stream, std::function<void()> run);

// Does what a stream still has to do up to a position; the host is not said to have waited.
void finish(const Position& position);
void finishAll();
// The host waits: counted.
void hostWaits(const Position& position);
void hostWaitsForAll();

// What a call returns that must not be made while a stream is capturing; such a call ends the capture.
CUresult refuseWhileCapturing();
bool isCapturing(const Stream& stream);
void discardCaptures();

}  // namespace emulation
