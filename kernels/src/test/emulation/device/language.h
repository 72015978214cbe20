// CUDA C++ for g++: the vocabulary that nvcc has built in. build.sh includes this file ahead of every kernel source, so
// the sources themselves do not know about it. Only what our kernels use is here; what is missing fails to compile.
#pragma once

#include <limits.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <type_traits>

#include "calls.h"

#define __device__
#define __host__
#define __constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __restrict__ __restrict

struct dim3 {
    unsigned x = 1, y = 1, z = 1;
};
struct alignas(8) int2 {
    int x, y;
};
struct alignas(8) uint2 {
    unsigned x, y;
};
struct alignas(8) float2 {
    float x, y;
};
struct alignas(16) int4 {
    int x, y, z, w;
};
struct alignas(16) uint4 {
    unsigned x, y, z, w;
};
struct alignas(16) float4 {
    float x, y, z, w;
};

inline int2 make_int2(int x, int y) { return {x, y}; }
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline float2 make_float2(float x, float y) { return {x, y}; }
inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

// Macros, because CUDA spells them as variables that differ from thread to thread.
#define threadIdx (emulation::threadIndex())
#define blockIdx (emulation::blockIndex())
#define blockDim (emulation::blockShape())
#define gridDim (emulation::gridShape())
static constexpr int warpSize = 32;

#include "arithmetic.h"
#include "atomics.h"
#include "collectives.h"
#include "registration.h"
