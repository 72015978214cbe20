// How a kernel library tells the engine about its kernels: build.sh writes one Registration per kernel. The template
// takes the parameters from the function's type.
#pragma once

#include <stddef.h>

#include <type_traits>
#include <utility>

namespace emulation {

// Where a parameter lies in the memory that holds a launch's arguments, each at its natural alignment.
struct Parameter {
    size_t offset, bytes;
};

using AnyFunction = void (*)();
// Calls a kernel for one thread.
using Invoke = void (*)(AnyFunction function, const char* arguments, const Parameter* parameters);

void registerKernel(const char* name, AnyFunction function, Invoke invoke, const Parameter* parameters, size_t count,
                    size_t parameterBytes, unsigned maxThreads);

// Reads the arguments as the hardware does, from memory that no kernel can name; so no check of accesses here.
template <class... P, size_t... I>
__attribute__((no_sanitize_thread, noipa)) void invokeKernel(
    AnyFunction function, [[maybe_unused]] const char* arguments, [[maybe_unused]] const Parameter* parameters,
    std::index_sequence<I...>) {
    reinterpret_cast<void (*)(P...)>(function)(
        *reinterpret_cast<const std::decay_t<P>*>(arguments + parameters[I].offset)...);
}

struct Registration {
    template <class... P>
    Registration(const char* name, void (*function)(P...), unsigned maxThreads) {
        Parameter parameters[sizeof...(P) + 1];
        size_t count = 0, bytes = 0;
        auto add = [&](size_t size, size_t alignment) {
            size_t offset = (bytes + alignment - 1) / alignment * alignment;
            parameters[count++] = {offset, size};
            bytes = offset + size;
        };
        (add(sizeof(P), alignof(P)), ...);
        Invoke invoke = [](AnyFunction any, const char* arguments, const Parameter* where) {
            invokeKernel<P...>(any, arguments, where, std::index_sequence_for<P...>{});
        };
        registerKernel(name, reinterpret_cast<AnyFunction>(function), invoke, parameters, count, bytes, maxThreads);
    }
};

}  // namespace emulation
