#include "shared_races.h"

#include <vector>

namespace emulation {

History* sharedWords;

namespace {

constexpr size_t WORD_BYTES = 4;

std::vector<History> words, singleBytes;

bool isOrderedInWarp(const Touch& earlier, const Thread& now) {
    const Thread& other = block.threads[earlier.thread];
    if (other.warp != now.warp) {
        return false;
    }
    bool inPart = (now.partMask >> other.lane & 1) != 0;
    return earlier.clock < now.warp->syncClock || (inPart && earlier.clock < now.partClock);
}

inline bool isOrdered(const Touch& earlier, const Thread& now) {
    return earlier.clock < block.barrierClock || earlier.thread == now.number || isOrderedInWarp(earlier, now);
}

// A second reader is kept if it is of another warp than the first, or as long as there is none of another warp.
void rememberRead(History& history, const Touch& touch, const Thread& now) {
    auto warpOf = [](const Touch& t) { return t.thread / WARP_LANES; };
    Touch& first = history.read;
    Touch& second = history.otherRead;
    if (isOrdered(first, now)) {
        first = touch;
    } else if (warpOf(touch) != warpOf(first) || second.clock < block.barrierClock || warpOf(second) == warpOf(first)) {
        second = touch;
    }
}

// One access to all that the history stands for, which begins at the offset.
inline void visit(History& history, size_t offset, const Touch& touch, const Thread& now, void* caller) {
    bool bothAtomic = touch.access == Access::Atomic && history.write.access == Access::Atomic;
    if (!isOrdered(history.write, now) && !bothAtomic) {
        reportRace(offset, touch.access, block.threads[history.write.thread], history.write.access, caller);
    }
    if (touch.access == Access::Read) {
        rememberRead(history, touch, now);
        return;
    }
    for (const Touch& read : {history.read, history.otherRead}) {
        if (!isOrdered(read, now)) {
            reportRace(offset, touch.access, block.threads[read.thread], Access::Read, caller);
        }
    }
    history.write = touch;
}

// The bytes of a word from now on remember what the word did.
void split(size_t word) {
    if (words[word].splitClock >= block.barrierClock) {
        return;
    }
    for (size_t i = 0; i < WORD_BYTES; i++) {
        singleBytes[word * WORD_BYTES + i] = words[word];
    }
    words[word].splitClock = block.clock;
}

}  // namespace

void reserveHistory() {
    size_t bytes = block.dynamicOffset() + MAX_SHARED_BYTES;
    if (singleBytes.size() < bytes) {
        singleBytes.resize(bytes);
        words.resize(bytes / WORD_BYTES);
        sharedWords = words.data();
    }
}

void visitShared(size_t offset, size_t bytes, Access access, void* caller) {
    const Thread& now = *block.current;
    Touch touch{block.clock, now.number, access};
    for (size_t at = offset; at < offset + bytes;) {
        size_t word = at / WORD_BYTES;
        bool isWhole = at % WORD_BYTES == 0 && offset + bytes - at >= WORD_BYTES;
        if (isWhole && words[word].splitClock < block.barrierClock) {
            visit(words[word], at, touch, now, caller);
            at += WORD_BYTES;
        } else {
            split(word);
            visit(singleBytes[at], at, touch, now, caller);
            at++;
        }
    }
}

}  // namespace emulation
