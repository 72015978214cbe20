// Accesses to memory, right and wrong.

extern "C" __global__ void __launch_bounds__(256) scale(const float* source, float* target, float factor, int count) {
    int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);
    if (i < count) {
        target[i] = source[i] * factor;
    }
}

// Wrong if count is not a multiple of the block: the last threads write behind the end.
extern "C" __global__ void scaleUnchecked(const float* source, float* target, float factor) {
    int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);
    target[i] = source[i % 4] * factor;
}

// Reads vectors of four floats from any float on: wrong where that is not a multiple of four.
extern "C" __global__ void copyVectors(const float* source, float* target, int first) {
    reinterpret_cast<float4*>(target)[threadIdx.x] = reinterpret_cast<const float4*>(source + first)[threadIdx.x];
}

// An argument that is larger than a register, and a constant table.
struct Weights {
    float values[5];
    short count;
};
__constant__ const float TABLE[] = {1, 10, 100, 1000, 10000};
extern "C" __global__ void weigh(Weights weights, char exponent, float* target) {
    float sum = 0;
    for (int i = 0; i < weights.count; i++) {
        sum += weights.values[i] * TABLE[i];
    }
    target[0] = sum + (float)exponent;
}

__device__ float remembered[3] = {1, 2, 3};
extern "C" __global__ void addRemembered(float* target) {
    target[threadIdx.x] += remembered[threadIdx.x];
}

extern "C" __global__ void countUp(int* counter, float* sum) {
    atomicAdd(counter, 1);
    atomicMax(counter + 1, (int)threadIdx.x);
    atomicAdd(sum, 0.5f);
}

// Every thread in turn takes a lock, or waits for one that nobody gives back.
extern "C" __global__ void lockAndCount(int* lock, int* counter, int givesBack) {
    while (atomicCAS(lock, 0, 1) != 0) {
    }
    *counter += 1;
    if (givesBack) {
        atomicExch(lock, 0);
    }
}

// The place at which each thread came first to this line.
extern "C" __global__ void arrivals(int* next, float* order) {
    order[blockIdx.x * blockDim.x + threadIdx.x] = (float)atomicAdd(next, 1);
}
