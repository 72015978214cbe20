// Kernels by which the emulation is tested: what each does right, and a twin that does it wrong.
#include "selftest.cuh"

extern "C" __global__ void __launch_bounds__(256) scale(const float* __restrict__ source, float* __restrict__ target, float factor, unsigned count) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) {
        target[i] = source[i] * factor;
    }
}

// target[block] = sum of the block's part of source, by a tree in dynamic shared memory.
extern "C" __global__ void blockSum(const float* __restrict__ source, float* __restrict__ target) {
    extern __shared__ float parts[];
    parts[threadIdx.x] = source[blockIdx.x * blockDim.x + threadIdx.x];
    __syncthreads();
    for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) {
            parts[threadIdx.x] += parts[threadIdx.x + half];
        }
        __syncthreads();
    }
    if (threadIdx.x == 0) {
        target[blockIdx.x] = parts[0];
    }
}
