// Atomics. One thread runs at a time, so a plain read and write is atomic; the engine is told, so that it checks the
// address and does not take two atomics on one word for a race. Any 4- or 8-byte type is its bits.
#pragma once

template <class T, class Operation>
__attribute__((no_sanitize_thread, noipa)) T emulation_atomic(T* address, Operation operation) {
    emulation::atomicAccess(address, sizeof(T));
    T old = *address;
    *address = operation(old);
    return old;
}

template <class T>
inline T atomicAdd(T* address, std::common_type_t<T> value) {
    return emulation_atomic(address, [=](T old) { return static_cast<T>(old + value); });
}
template <class T>
inline T atomicMax(T* address, std::common_type_t<T> value) {
    static_assert(std::is_integral_v<T>, "CUDA has atomicMax for integers only");
    return emulation_atomic(address, [=](T old) { return old > value ? old : value; });
}
template <class T>
inline T atomicMin(T* address, std::common_type_t<T> value) {
    static_assert(std::is_integral_v<T>, "CUDA has atomicMin for integers only");
    return emulation_atomic(address, [=](T old) { return old < value ? old : value; });
}
template <class T>
inline T atomicOr(T* address, std::common_type_t<T> value) {
    return emulation_atomic(address, [=](T old) { return static_cast<T>(old | value); });
}
template <class T>
inline T atomicExch(T* address, std::common_type_t<T> value) {
    return emulation_atomic(address, [=](T) { return value; });
}
template <class T>
inline T atomicCAS(T* address, std::common_type_t<T> expected, std::common_type_t<T> value) {
    T old = emulation_atomic(address, [=](T found) { return found == expected ? value : found; });
    if (old != expected) {
        emulation::yield();
    }
    return old;
}

// One thread after the other: whatever was written is visible.
inline void __threadfence() {}
inline void __threadfence_block() {}
inline void __threadfence_system() {}
