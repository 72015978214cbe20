// Barriers and warp collectives. The call's file and line travel along, so that a deadlock can name them.
#pragma once

namespace emulation {

// A lane outside of the caller's segment reads the caller's own value.
inline int laneOrOwn(int lane, bool inSegment) { return inSegment ? lane : laneIndex(); }

template <class T>
inline T shuffle(unsigned mask, T value, int sourceLane, Site site) {
    static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= sizeof(uint64_t));
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof(T));
    bits = collective(Collective::Shuffle, mask, bits, sourceLane, site);
    memcpy(&value, &bits, sizeof(T));
    return value;
}

}  // namespace emulation

inline void __syncthreads(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    emulation::barrier(emulation::Barrier::Plain, 0, {file, line});
}
inline int __syncthreads_count(int predicate, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    return emulation::barrier(emulation::Barrier::Count, predicate != 0, {file, line});
}
inline int __syncthreads_or(int predicate, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    return emulation::barrier(emulation::Barrier::Or, predicate != 0, {file, line});
}
inline int __syncthreads_and(int predicate, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    return emulation::barrier(emulation::Barrier::And, predicate != 0, {file, line});
}
inline void __syncwarp(unsigned mask = ~0u, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    emulation::collective(emulation::Collective::Sync, mask, 0, 0, {file, line});
}
inline unsigned __activemask() { return emulation::activeMask(); }

template <class T>
inline T __shfl_sync(unsigned mask, T value, int source, int width = warpSize,
                     const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    int segment = emulation::laneIndex() & ~(width - 1);
    return emulation::shuffle(mask, value, segment | (source & (width - 1)), {file, line});
}
template <class T>
inline T __shfl_xor_sync(unsigned mask, T value, int laneMask, int width = warpSize,
                         const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    int source = emulation::laneIndex() ^ laneMask;
    int segmentEnd = emulation::laneIndex() | (width - 1);
    return emulation::shuffle(mask, value, emulation::laneOrOwn(source, source <= segmentEnd), {file, line});
}
template <class T>
inline T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = warpSize,
                          const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    int source = emulation::laneIndex() + static_cast<int>(delta);
    int segmentEnd = emulation::laneIndex() | (width - 1);
    return emulation::shuffle(mask, value, emulation::laneOrOwn(source, source <= segmentEnd), {file, line});
}
template <class T>
inline T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = warpSize,
                        const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    int source = emulation::laneIndex() - static_cast<int>(delta);
    int segment = emulation::laneIndex() & ~(width - 1);
    return emulation::shuffle(mask, value, emulation::laneOrOwn(source, source >= segment), {file, line});
}

inline unsigned __ballot_sync(unsigned mask, int predicate,
                              const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    uint64_t lanes = emulation::collective(emulation::Collective::Ballot, mask, predicate != 0, 0, {file, line});
    return static_cast<unsigned>(lanes);
}
inline int __any_sync(unsigned mask, int predicate, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    return emulation::collective(emulation::Collective::Any, mask, predicate != 0, 0, {file, line}) != 0;
}
inline int __all_sync(unsigned mask, int predicate, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    return emulation::collective(emulation::Collective::All, mask, predicate != 0, 0, {file, line}) != 0;
}

[[noreturn]] inline void __trap(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    emulation::trap({file, line});
}
